bin_PROGRAMS += mergeloom-plugin-check
mergeloom_plugin_check_SOURCES = \
  tests/conformance/answer_rules.c \
  tests/conformance/check.h \
  tests/conformance/host.c \
  tests/conformance/main.c \
  tests/conformance/other_rules.c \
  tests/conformance/provider_rules.c \
  tests/conformance/session.c \
  tests/conformance/session.h
mergeloom_plugin_check_CPPFLAGS = -D_GNU_SOURCE -I$(srcdir)/libmergeloom/include
mergeloom_plugin_check_CFLAGS = $(AM_CFLAGS) -pthread
mergeloom_plugin_check_LDADD = libmergeloom.la -ldl

TESTS += tests/conformance/run.sh
EXTRA_DIST += tests/conformance/answers/aws-bedrock.txt tests/conformance/answers/chat.txt tests/conformance/answers/claude-api.txt \
  tests/conformance/answers/codex-api.txt tests/conformance/answers/claude-code-cli.txt tests/conformance/answers/codex-cli.txt tests/conformance/answers/minimal.txt \
  tests/conformance/answers/mock.txt tests/conformance/answers/vertex-ai.txt tests/conformance/run.sh
dist_man_MANS += tests/conformance/mergeloom-plugin-check.1
