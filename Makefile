# Recipes are one line each; what they do is in scripts/ and in cargo.
.PHONY: up test lint bench fuzz

up: ; @scripts/up
test: ; @scripts/test
lint: ; @scripts/lint
bench: ; @scripts/bench $(ARGS)
fuzz: ; @scripts/fuzz $(ARGS)
