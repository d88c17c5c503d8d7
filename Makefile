# Verbs only: what they do is in scripts/.

.DEFAULT_GOAL := help
.PHONY: help run test compare bench bench-large lint build invoke deploy services-up services-down

help: ## list the verbs
	@sed -n 's/^\([a-z-]*\):.*## /  make \1	/p' Makefile | expand -t 24

run: ## build what is needed and start the server on this machine (FULL=1: with every backend)
	@exec scripts/run.sh

test: ## every test, against a real Postgres, Redis and Kafka, an S3 API and DynamoDB Local that are started for it
	@exec scripts/test.sh

compare: ## whether GraphQL and REST of a deployment say the same: GRAPHQL=URL REST=URL (TOKEN=... as that user)
	@exec env GRAPHQL="$(GRAPHQL)" REST="$(REST)" scripts/compare.sh

bench: ## the benchmarks and a table of every budget; fails when one is missed
	@exec scripts/bench.sh

bench-large: ## what takes longer: a backlog of a million events, and the store's cost among ten million
	@BACKLOG=1000000 EVENTS=10000000 scripts/bench.sh --bench backlog --bench store

lint: ## formatting, clippy, what each function links, and terraform/ and template.yaml
	@exec scripts/lint.sh

build: ## the Lambda functions as they are deployed, a zip each (ARCH=arm64: for that)
	@exec scripts/build.sh $(if $(ARCH),--arch $(ARCH))

invoke: ## a compiled function, sent an event on this machine: FN=graphql EVENT=events/graphql-http-api.json
	@exec scripts/invoke.sh "$(FN)" "$(EVENT)"

deploy: ## all of it into an AWS account, after you have seen the plan: ENV=dev (ACTION=plan: only the plan)
	@exec env ENV="$(ENV)" ACTION="$(ACTION)" scripts/deploy.sh

services-up: ## start the Postgres, Redis, Kafka, S3 API and DynamoDB that tests use
	@exec scripts/services.sh up

services-down: ## stop them and delete their data
	@exec scripts/services.sh down
