// What others see of our events: a KafkaJS consumer and kcat, which know nothing of us but the topic.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { after, test } from 'node:test';
import { promisify } from 'node:util';

import { GraphQLClient, gql } from 'graphql-request';
import { Kafka, logLevel } from 'kafkajs';

import { startServer } from './server.mjs';

const brokers = process.env.TEST_KAFKA_BROKERS;
if (!brokers) throw new Error('TEST_KAFKA_BROKERS is not set: run `make test`');

const LIMIT = { timeout: 90_000 };
const TRACEPARENT = /^00-4bf92f3577b34da6a3ce929d0e0e4736-[0-9a-f]{16}-01$/;
const prefix = `node-${randomBytes(6).toString('hex')}.`;
const topic = `${prefix}mcp.events`;

const server = await startServer({ KAFKA_BROKERS: brokers, KAFKA_TOPIC_PREFIX: prefix });
after(server.stop);

const client = new GraphQLClient(`${server.url}/graphql`, {
  headers: {
    authorization: `Bearer ${server.token('node-kafka')}`,
    traceparent: '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01',
    'x-correlation-id': 'from-node',
  },
});
for (const feedback of [10, 20, 30]) {
  await client.request(gql`mutation ($feedback: Int!) { updateEmotion(feedback: $feedback) { version } }`, { feedback });
}

test('a KafkaJS consumer reads our messages and headers, in order', LIMIT, async (t) => {
  const kafka = new Kafka({ clientId: 'node-test', brokers: brokers.split(','), logLevel: logLevel.ERROR });
  const consumer = kafka.consumer({ groupId: `${prefix}group` });
  t.after(() => consumer.disconnect());
  await consumer.connect();
  await consumer.subscribe({ topic, fromBeginning: true });
  const messages = await new Promise((resolve, reject) => {
    const seen = [];
    consumer
      .run({ eachMessage: async ({ message }) => void (seen.push(message) === 3 && resolve(seen)) })
      .catch(reject);
  });
  const events = messages.map((message) => JSON.parse(message.value.toString()));
  assert.deepEqual(events.map((event) => event.eventVersion), [1, 2, 3]);
  assert.deepEqual(events.map((event) => event.data.points), [10, 30, 60]);
  for (const [place, message] of messages.entries()) {
    assert.equal(message.key.toString(), events[place].aggregateId);
    assert.equal(message.headers['event-type'].toString(), 'EmotionUpdated');
    assert.equal(message.headers['event-id'].toString(), events[place].id);
    assert.equal(message.headers['correlation-id'].toString(), 'from-node');
    assert.match(message.headers.traceparent.toString(), TRACEPARENT);
    assert.equal(events[place].metadata.userId, 'node-kafka');
  }
});

test('kcat reads the same', LIMIT, async () => {
  const { stdout } = await promisify(execFile)('kcat', ['-b', brokers, '-C', '-t', topic, '-e', '-q', '-J']);
  const messages = stdout.trim().split('\n').map((line) => JSON.parse(line));
  assert.equal(messages.length, 3);
  for (const message of messages) {
    const event = JSON.parse(message.payload);
    const headers = Object.fromEntries(message.headers.reduce((pairs, item, place, all) =>
      place % 2 ? pairs : [...pairs, [item, all[place + 1]]], []));
    assert.equal(message.key, event.aggregateId);
    assert.equal(headers['event-id'], event.id);
    assert.match(headers.traceparent, TRACEPARENT);
  }
});
