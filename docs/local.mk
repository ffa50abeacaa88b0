EXTRA_DIST += \
  docs/README.md \
  docs/abi.md \
  docs/building.md \
  docs/command-line.md \
  docs/daemon.md \
  docs/errors.md \
  docs/jobs.md \
  docs/json.md \
  docs/measurements.md \
  docs/ownership.md \
  docs/plugin-guide.md \
  docs/providers/aws-bedrock.md \
  docs/credentials/aws.md \
  docs/providers/azure-foundry.md \
  docs/providers/claude-code-cli.md \
  docs/providers/codex-api.md \
  docs/providers/codex-cli.md \
  docs/providers/claude-api.md \
  docs/providers/openai-compatible.md \
  docs/readiness.md \
  docs/resolution.md \
  docs/sandbox.md \
  docs/settings.md \
  docs/simulator.md \
  docs/threads.md

EXTRA_DIST += docs/credentials/azure.md
EXTRA_DIST += docs/credentials/command.md
EXTRA_DIST += docs/credentials/google.md
EXTRA_DIST += docs/providers/vertex-ai.md
EXTRA_DIST += docs/credentials/static.md
EXTRA_DIST += docs/operators-guide.md
