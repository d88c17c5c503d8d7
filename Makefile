# Verbs only: what they do is in scripts/.

.DEFAULT_GOAL := help
.PHONY: help run test bench bench-large lint build services-up services-down

help: ## list the verbs
	@sed -n 's/^\([a-z-]*\):.*## /  make \1	/p' Makefile | expand -t 24

run: ## build what is needed and start the server on this machine (FULL=1: with every backend)
	@exec scripts/run.sh

test: ## every test, against a real Postgres, Redis and Kafka, an S3 API and DynamoDB Local that are started for it
	@exec scripts/test.sh

bench: ## the benchmarks; fails when a budget is missed
	@exec scripts/bench.sh

bench-large: ## what takes longer: a backlog of a million events
	@BACKLOG=1000000 scripts/bench.sh --bench backlog

lint: ## formatting, clippy, and what each function links
	@exec scripts/lint.sh

build: ## the Lambda functions as they are deployed
	@exec scripts/build.sh

services-up: ## start the Postgres, Redis, Kafka, S3 API and DynamoDB that tests use
	@exec scripts/services.sh up

services-down: ## stop them and delete their data
	@exec scripts/services.sh down
