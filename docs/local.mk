EXTRA_DIST += docs/README.md docs/abi.md docs/building.md docs/plugin-guide.md docs/simulator.md \
  docs/command-line.md docs/errors.md docs/ownership.md docs/readiness.md docs/threads.md
EXTRA_DIST += docs/providers/openai-compatible.md
