#!/usr/bin/env bash
# Postgres, Redis, Kafka, an S3 API and DynamoDB for tests and benchmarks, on ports and in folders of their own, so that those
# of the system neither matter nor are touched. All are the real thing but S3, which is moto's, and DynamoDB, which is Amazon's
# own for development: both keep what they have in memory and take any credentials.
#
#   services.sh up      starts them; nothing happens if they are up
#   services.sh env     prints the exports that tests read
#   services.sh status  says what is up; exits 0 only if all are
#   services.sh down    stops what `up` started and deletes its data
#   services.sh kafka-libs   prints the folder of Kafka's jars, fetched if need be: some tests start their own
#   services.sh lambda-rie   prints the path of AWS's runtime interface emulator, fetched if need be: it runs functions
#
# Settings: MCP_POSTGRES_PORT, MCP_REDIS_PORT, MCP_KAFKA_PORT (and the port after it), MCP_S3_PORT,
# MCP_DYNAMODB_PORT, MCP_SERVICES_DIR.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

# Below the range that Linux takes ports of outgoing connections from, where one is now and then in use.
postgres_port=${MCP_POSTGRES_PORT:-25432}
redis_port=${MCP_REDIS_PORT:-26390}
kafka_port=${MCP_KAFKA_PORT:-25092}
s3_port=${MCP_S3_PORT:-25500}
dynamodb_port=${MCP_DYNAMODB_PORT:-25800}
root=${MCP_SERVICES_DIR:-${TMPDIR:-/tmp}/mcp-server-services-$UID}
postgres_dir=$root/postgres-$postgres_port
redis_dir=$root/redis-$redis_port
kafka_dir=$root/kafka-$kafka_port
s3_dir=$root/s3-$s3_port
dynamodb_dir=$root/dynamodb-$dynamodb_port
# Fetched once for all clones: Kafka is a set of jars.
kafka_version=4.1.1
kafka_libs=$(cache_dir)/kafka-$kafka_version
# So is DynamoDB.
dynamodb_version=3.3.1
dynamodb_libs=$(cache_dir)/dynamodb-$dynamodb_version
# And moto: a Python environment, with what it serves through fixed as well.
moto_version=5.2.5
moto_packages=("moto[s3,server]==$moto_version" boto3==1.44.5 botocore==1.44.5 flask==3.1.3 flask-cors==6.0.5 werkzeug==3.1.9)
moto=$(cache_dir)/moto-$moto_version
# And of SAM's command line the one file that is Lambda on this machine: AWS's runtime interface emulator.
sam_version=1.170.0
emulator_folder=$(cache_dir)/lambda-rie-$sam_version

main() {
  case "${1:-}" in
    up) locked up ;;
    down) locked down ;;
    status) status ;;
    env) print_env ;;
    kafka-libs) fetch_kafka && echo "$kafka_libs" ;;
    lambda-rie) fetch_emulator && emulator ;;
    *) die "usage: services.sh up|env|status|down|kafka-libs|lambda-rie" ;;
  esac
}

up() {
  install_services
  postgres_is_up || need_free_port "$postgres_port" Postgres MCP_POSTGRES_PORT
  redis_is_up || need_free_port "$redis_port" Redis MCP_REDIS_PORT
  if ! kafka_is_up; then
    need_free_port "$kafka_port" Kafka MCP_KAFKA_PORT
    need_free_port $((kafka_port + 1)) "Kafka's controller" MCP_KAFKA_PORT
  fi
  s3_is_up || need_free_port "$s3_port" S3 MCP_S3_PORT
  dynamodb_is_up || need_free_port "$dynamodb_port" DynamoDB MCP_DYNAMODB_PORT
  postgres_is_up || start_postgres
  redis_is_up || start_redis
  kafka_is_up || start_kafka
  s3_is_up || start_s3
  dynamodb_is_up || start_dynamodb
  status
}

down() {
  if postgres_is_running; then
    pg_ctl stop -m fast -w -s >/dev/null 2>&1 || true
    wait_until "Postgres stops" postgres_is_gone
  fi
  if redis_is_up; then
    redis-cli -p "$redis_port" shutdown nosave >/dev/null 2>&1 || true
    wait_until "Redis stops" redis_is_down
  fi
  if kafka_is_running; then
    kill -KILL "$(cat "$kafka_dir/pid")" 2>/dev/null || true
    wait_until "Kafka stops" kafka_is_gone
  fi
  if s3_is_running; then
    kill -KILL "$(cat "$s3_dir/pid")" 2>/dev/null || true
    wait_until "S3 stops" s3_is_gone
  fi
  if dynamodb_is_running; then
    kill -KILL "$(cat "$dynamodb_dir/pid")" 2>/dev/null || true
    wait_until "DynamoDB stops" dynamodb_is_gone
  fi
  rm -rf "$postgres_dir" "$redis_dir" "$kafka_dir" "$s3_dir" "$dynamodb_dir"
  status || true
}

status() {
  local all=0
  if postgres_is_up; then say "Postgres: up on 127.0.0.1:$postgres_port"; else say "Postgres: down"; all=1; fi
  if redis_is_up; then say "Redis: up on 127.0.0.1:$redis_port"; else say "Redis: down"; all=1; fi
  if kafka_is_up; then say "Kafka: up on 127.0.0.1:$kafka_port"; else say "Kafka: down"; all=1; fi
  if s3_is_up; then say "S3: up on 127.0.0.1:$s3_port"; else say "S3: down"; all=1; fi
  if dynamodb_is_up; then say "DynamoDB: up on 127.0.0.1:$dynamodb_port"; else say "DynamoDB: down"; all=1; fi
  return $all
}

print_env() {
  echo "export TEST_POSTGRES_URL=postgres://mcp@127.0.0.1:$postgres_port/mcp"
  echo "export TEST_REDIS_URL=redis://127.0.0.1:$redis_port"
  echo "export TEST_KAFKA_BROKERS=127.0.0.1:$kafka_port"
  echo "export TEST_KAFKA_LIBS=$kafka_libs"
  echo "export TEST_S3_URL=http://127.0.0.1:$s3_port"
  echo "export TEST_DYNAMODB_URL=http://127.0.0.1:$dynamodb_port"
  echo "export TEST_LAMBDA_RIE=$(emulator)"
}

# --- Postgres

# The newest Postgres that is installed. Debian keeps the servers out of PATH.
postgres_bin() {
  local initdb
  initdb=$(find /usr/lib/postgresql/*/bin -maxdepth 1 -name initdb 2>/dev/null | sort -V | tail -n 1)
  [ -n "$initdb" ] || initdb=$(command -v initdb) || return 1
  dirname "$initdb"
}

pg_ctl() { as_service_user "$(postgres_bin)/pg_ctl" -D "$postgres_dir/data" "$@"; }

# There is a process, which may be dying; up means that it answers as well.
postgres_is_running() { postgres_bin >/dev/null && [ -d "$postgres_dir/data" ] && pg_ctl status >/dev/null 2>&1; }
postgres_is_gone() { ! postgres_is_running; }
postgres_is_up() {
  postgres_is_running && "$(postgres_bin)/pg_isready" -q -h 127.0.0.1 -p "$postgres_port" -t 5
}

start_postgres() {
  local bin log=$postgres_dir/log
  bin=$(postgres_bin)
  wait_until "the Postgres before this one is gone" postgres_is_gone
  # A data folder counts once its database exists: what a broken start left behind goes.
  if [ ! -e "$postgres_dir/ready" ]; then
    rm -rf "$postgres_dir"
    own_folder "$postgres_dir"
    as_service_user "$bin/initdb" -D "$postgres_dir/data" -U mcp -A trust -E UTF8 --locale=C.UTF-8 --no-sync >"$root/initdb.log" 2>&1 ||
      die "initdb failed: $(tail -n 1 "$root/initdb.log")"
    as_service_user tee -a "$postgres_dir/data/postgresql.conf" >/dev/null <<CONF
listen_addresses = '127.0.0.1'
port = $postgres_port
unix_socket_directories = '$postgres_dir'
max_connections = 300
# On: the benchmarks compare commits.
fsync = on
CONF
  fi
  pg_ctl start -l "$log" -w -s >/dev/null 2>&1 9>&- ||
    die "Postgres does not start: $(tail -n 1 "$log" 2>/dev/null)"
  if [ ! -e "$postgres_dir/ready" ]; then
    "$bin/createdb" -h 127.0.0.1 -p "$postgres_port" -U mcp mcp || die "cannot create the database mcp"
    as_service_user touch "$postgres_dir/ready"
  fi
}

# --- Redis

# Ours is the one that works in our folder, not just any that answers on the port.
redis_is_up() {
  command -v redis-cli >/dev/null &&
    [ "$(timeout 5 redis-cli -p "$redis_port" config get dir 2>/dev/null | tail -n 1)" = "$redis_dir" ]
}

redis_is_down() { ! redis_is_up; }

start_redis() {
  rm -rf "$redis_dir"
  own_folder "$redis_dir"
  as_service_user redis-server --port "$redis_port" --bind 127.0.0.1 --dir "$redis_dir" --daemonize yes \
    --pidfile "$redis_dir/pid" --logfile "$redis_dir/log" --save '' --appendonly no >/dev/null 2>&1 9>&- ||
    die "Redis does not start: $(tail -n 1 "$redis_dir/log" 2>/dev/null)"
  wait_until "Redis answers" redis_is_up
}

# --- Kafka

kafka_java() {
  java -Xmx512m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Dorg.slf4j.simpleLogger.defaultLogLevel=warn \
    -cp "$kafka_libs/*" "$@"
}

kafka_is_running() { [ -e "$kafka_dir/pid" ] && kill -0 "$(cat "$kafka_dir/pid")" 2>/dev/null; }
kafka_is_gone() { ! kafka_is_running; }
# Up means that it answers, and a client's question too.
kafka_is_up() { kafka_is_running && [ -e "$kafka_dir/ready" ] && kafka_answers; }
kafka_answers() { timeout 5 kcat -b "127.0.0.1:$kafka_port" -L -m 2 >/dev/null 2>&1; }

fetch_kafka() {
  fetch_jars Kafka "$kafka_version" 45 org.apache.kafka:kafka_2.13 "$kafka_libs"
}

start_kafka() {
  kafka_is_gone || kill -KILL "$(cat "$kafka_dir/pid")"
  wait_until "the Kafka before this one is gone" kafka_is_gone
  rm -rf "$kafka_dir"
  mkdir -m 700 "$kafka_dir"
  cat >"$kafka_dir/server.properties" <<CONF
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:$((kafka_port + 1))
listeners=CLIENTS://127.0.0.1:$kafka_port,CONTROLLER://127.0.0.1:$((kafka_port + 1))
advertised.listeners=CLIENTS://127.0.0.1:$kafka_port
listener.security.protocol.map=CLIENTS:PLAINTEXT,CONTROLLER:PLAINTEXT
inter.broker.listener.name=CLIENTS
controller.listener.names=CONTROLLER
log.dirs=$kafka_dir/data
offsets.topic.replication.factor=1
offsets.topic.num.partitions=3
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
group.initial.rebalance.delay.ms=0
auto.create.topics.enable=false
CONF
  kafka_java kafka.tools.StorageTool format -t MkU3OEVBNTcwNTJENDM2Qg -c "$kafka_dir/server.properties" >"$kafka_dir/log" 2>&1 ||
    die "Kafka's folder cannot be prepared: $(tail -n 1 "$kafka_dir/log")"
  (cd "$kafka_dir" && exec setsid java -Xmx512m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 \
    -Dorg.slf4j.simpleLogger.defaultLogLevel=warn -cp "$kafka_libs/*" kafka.Kafka server.properties) >>"$kafka_dir/log" 2>&1 </dev/null 9>&- &
  echo $! >"$kafka_dir/pid"
  wait_longer "Kafka answers" kafka_answers
  touch "$kafka_dir/ready"
}

# --- S3

s3_is_running() { [ -e "$s3_dir/pid" ] && kill -0 "$(cat "$s3_dir/pid")" 2>/dev/null; }
s3_is_gone() { ! s3_is_running; }
s3_is_up() { s3_is_running && s3_answers; }
# Asked for a page that only moto has.
s3_answers() {
  # shellcheck disable=SC2016
  timeout 5 bash -c 'exec 3<>"/dev/tcp/127.0.0.1/$0" && printf "GET /moto-api/ HTTP/1.0\r\n\r\n" >&3 && head -n 1 <&3' \
    "$s3_port" 2>/dev/null | grep -q "^HTTP/[0-9.]* 200 "
}

fetch_moto() {
  python_environment "$moto" "moto $moto_version, some 320 MB," "${moto_packages[@]}"
}

start_s3() {
  s3_is_gone || kill -KILL "$(cat "$s3_dir/pid")"
  wait_until "the S3 before this one is gone" s3_is_gone
  rm -rf "$s3_dir"
  mkdir -m 700 "$s3_dir"
  # Large objects go to its temporary folder.
  (cd "$s3_dir" && TMPDIR=$s3_dir exec setsid "$moto/bin/python" -m moto.server -H 127.0.0.1 -p "$s3_port") \
    >"$s3_dir/log" 2>&1 </dev/null 9>&- &
  echo $! >"$s3_dir/pid"
  wait_longer "S3 answers" s3_answers
}

# --- DynamoDB

dynamodb_is_running() { [ -e "$dynamodb_dir/pid" ] && kill -0 "$(cat "$dynamodb_dir/pid")" 2>/dev/null; }
dynamodb_is_gone() { ! dynamodb_is_running; }
dynamodb_is_up() { dynamodb_is_running && dynamodb_answers; }
# Asked for nothing, it says in a way of its own that the question is not signed.
dynamodb_answers() {
  # shellcheck disable=SC2016
  timeout 5 bash -c 'exec 3<>"/dev/tcp/127.0.0.1/$0" && printf "GET / HTTP/1.0\r\n\r\n" >&3 && cat <&3' \
    "$dynamodb_port" 2>/dev/null | grep -q "com.amazonaws.dynamodb"
}

fetch_dynamodb() {
  fetch_jars DynamoDB "$dynamodb_version" 50 software.amazon.dynamodb:DynamoDBLocal "$dynamodb_libs"
}

start_dynamodb() {
  dynamodb_is_gone || kill -KILL "$(cat "$dynamodb_dir/pid")"
  wait_until "the DynamoDB before this one is gone" dynamodb_is_gone
  rm -rf "$dynamodb_dir"
  mkdir -m 700 "$dynamodb_dir"
  # One database for all, whatever region and key a client names.
  (cd "$dynamodb_dir" && exec setsid java -Xmx512m -XX:+UseSerialGC -Dorg.slf4j.simpleLogger.defaultLogLevel=warn \
    -cp "$dynamodb_libs/*" software.amazon.dynamodb.services.local.main.ServerRunner \
    -inMemory -sharedDb -disableTelemetry -port "$dynamodb_port") >"$dynamodb_dir/log" 2>&1 </dev/null 9>&- &
  echo $! >"$dynamodb_dir/pid"
  wait_longer "DynamoDB answers" dynamodb_answers
}

# --- Lambda's runtime interface emulator, which is no service: each invocation and test starts its own

# Without what SAM's command line needs to run, which it does not.
fetch_emulator() {
  python_environment "$emulator_folder" "AWS's runtime interface emulator" --no-deps "aws-sam-cli==$sam_version"
}

emulator() {
  local libraries
  libraries=$("$emulator_folder/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))' 2>/dev/null) ||
    libraries=$emulator_folder/missing
  echo "$libraries/samcli/local/rapid/aws-lambda-rie-$(host_architecture)"
}

# --- all of them

# fetch_jars NAME VERSION MEGABYTES ARTIFACT FOLDER: the jars, resolved by Maven from the one that names all others.
fetch_jars() {
  local name=$1 version=$2 megabytes=$3 artifact=$4 folder=$5
  [ ! -e "$folder/complete-2" ] || return 0
  install_for_commands mvn=maven
  say "Fetching $name $version from Maven Central into $folder (some $megabytes MB, once)"
  rm -rf "$folder"
  mkdir -p "$folder"
  cat >"$folder/pom.xml" <<POM
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>mcp-server</groupId><artifactId>jars-for-tests</artifactId><version>1</version><packaging>pom</packaging>
  <dependencies>
    <dependency>
      <groupId>${artifact%%:*}</groupId><artifactId>${artifact##*:}</artifactId><version>$version</version>
    </dependency>
    <!-- So that it says why it does not start. -->
    <dependency>
      <groupId>org.slf4j</groupId><artifactId>slf4j-simple</artifactId><version>1.7.36</version>
    </dependency>
  </dependencies>
</project>
POM
  mvn -q -B -Dstyle.color=never -f "$folder/pom.xml" dependency:copy-dependencies -DoutputDirectory="$folder" >&2 ||
    die "Maven cannot fetch $name"
  touch "$folder/complete-2"
}

install_services() {
  local missing=()
  postgres_bin >/dev/null || missing+=(postgresql)
  command -v redis-server >/dev/null && command -v redis-cli >/dev/null || missing+=(redis-server)
  command -v javac >/dev/null || missing+=(default-jdk-headless)
  command -v kcat >/dev/null || missing+=(kcat)
  command -v openssl >/dev/null || missing+=(openssl)
  if [ ${#missing[@]} -gt 0 ]; then
    apt_install "${missing[@]}"
    # The packages start services of the system that nobody asked for.
    local service
    for service in postgresql redis-server; do
      [[ " ${missing[*]} " != *" $service "* ]] || as_root service "$service" stop >/dev/null 2>&1 || true
    done
  fi
  fetch_kafka
  fetch_dynamodb
  fetch_moto
  fetch_emulator
  local version
  version=$("$(postgres_bin)/postgres" --version | sed -E 's/[^0-9]*([0-9]+).*/\1/')
  [ "$version" -ge 15 ] || die "Postgres 15 or newer is needed, found $version"
  [ "$UID" != 0 ] || id postgres >/dev/null 2>&1 || die "Postgres does not run as root and there is no user postgres"
}

# Postgres refuses to run as root, so root lends both services the user that Debian's package made.
as_service_user() {
  # From the root folder: the current one may not be readable for that user.
  if [ "$UID" = 0 ]; then (cd / && exec runuser -u postgres -- "$@"); else "$@"; fi
}

own_folder() {
  mkdir -m 700 "$1"
  if [ "$UID" = 0 ]; then chown postgres: "$1"; fi
}

need_free_port() {
  if (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; then
    die "port $1, meant for $2, is taken by something else; stop that or set $3"
  fi
}

wait_until() { wait_for 10 "$@"; }
# A JVM on a busy machine takes its time, and Python does.
wait_longer() { wait_for 90 "$@"; }

wait_for() {
  local seconds=$1 what=$2 _
  shift 2
  for _ in $(seq $((seconds * 10))); do
    "$@" && return
    sleep 0.1
  done
  die "waited $seconds seconds, still not so: $what"
}

# locked COMMAND...: one `up` or `down` of a user at a time. The services must not inherit the lock, hence `9>&-` above.
locked() {
  # shellcheck disable=SC2174  # only the last folder is ours
  mkdir -p -m 711 "$root"
  [ -O "$root" ] || die "$root belongs to another user; set MCP_SERVICES_DIR"
  exec 9>"$root/lock"
  flock 9
  "$@"
}

main "$@"
