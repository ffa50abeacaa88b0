# End-to-end tests: whole programs, servers that are not ours where there are any.
e2e_tests = \
  tests/e2e/test_aimock.py \
  tests/e2e/test_azure_foundry.py \
  tests/e2e/test_bad_input.py \
  tests/e2e/test_claude_api.py \
  tests/e2e/test_claude_code_cli.py \
  tests/e2e/test_cli.py \
  tests/e2e/test_codex_api.py \
  tests/e2e/test_codex_cli.py \
  tests/e2e/test_job.py \
  tests/e2e/test_simulator.py
TESTS += $(e2e_tests)
EXTRA_DIST += $(e2e_tests) tests/e2e/aimock_server.mjs tests/e2e/cli_server.mjs tests/e2e/harness.py tests/e2e/api_cases.py tests/e2e/program_cases.py tests/e2e/openai_client.mjs tests/e2e/responses_client.mjs \
  tests/e2e/anthropic_client.mjs tests/e2e/foundry_client.mjs \
  tests/e2e/package.json tests/e2e/package-lock.json tests/e2e/.npmrc tests/e2e/test_installed.py \
  tests/e2e/clis/package.json tests/e2e/clis/package-lock.json tests/e2e/test_unprivileged.py

TESTS += tests/e2e/test_vertex_ai.py
EXTRA_DIST += tests/e2e/test_vertex_ai.py tests/e2e/gemini_client.mjs tests/e2e/vertex_claude_client.mjs

installcheck-local:
	top_srcdir='$(abs_top_srcdir)'; export top_srcdir; \
	top_builddir='$(abs_top_builddir)'; export top_builddir; \
	installed_bindir='$(DESTDIR)$(bindir)'; export installed_bindir; \
	installed_libdir='$(DESTDIR)$(libdir)'; export installed_libdir; \
	installed_cflags='$(SANITIZER_CFLAGS)'; export installed_cflags; \
	CC='$(CC)'; export CC; \
	python3 -B '$(srcdir)/tests/e2e/test_installed.py'

# Asks one credential source, for the tests that compare it with the vendors' own clients.
check_PROGRAMS += tests/e2e/credential_fetch
tests_e2e_credential_fetch_SOURCES = tests/e2e/credential_fetch.c
tests_e2e_credential_fetch_LDADD = libmergeloom/libcore.la
TESTS += tests/e2e/test_azure_identity.py
EXTRA_DIST += tests/e2e/test_azure_identity.py tests/e2e/azure_client.mjs
TESTS += tests/e2e/test_aws_bedrock.py
EXTRA_DIST += tests/e2e/test_aws_bedrock.py tests/e2e/bedrock_client.mjs tests/e2e/bedrock_claude_client.mjs
TESTS += tests/e2e/test_google_identity.py
EXTRA_DIST += tests/e2e/test_google_identity.py tests/e2e/google_client.mjs
TESTS += tests/e2e/test_credential_command.py
EXTRA_DIST += tests/e2e/test_credential_command.py
TESTS += tests/e2e/test_aws_identity.py
EXTRA_DIST += tests/e2e/test_aws_identity.py tests/e2e/aws_identity_client.mjs
if DAEMON
TESTS += tests/e2e/test_daemon.py tests/e2e/test_daemon_browser.py
endif
EXTRA_DIST += tests/e2e/test_daemon.py tests/e2e/test_daemon_browser.py tests/e2e/daemon_browser.mjs
TESTS += tests/e2e/test_key_rotation.py
EXTRA_DIST += tests/e2e/test_key_rotation.py
if DAEMON
TESTS += tests/e2e/test_daemon_api.py
endif
EXTRA_DIST += tests/e2e/test_daemon_api.py tests/e2e/daemon_server.py
if DAEMON
TESTS += tests/e2e/test_daemon_attacks.py
endif
EXTRA_DIST += tests/e2e/test_daemon_attacks.py
# What the browser saw stays as an artefact of the build until it is cleaned.
clean-local: clean-screenshots
clean-screenshots:
	rm -rf tests/e2e/screenshots
.PHONY: clean-screenshots

# Proofs that are long run by themselves, once, in the ordinary build: not in make check, so neither with sanitizers nor in
# make distcheck.
proof_tests = tests/e2e/test_unprivileged.py
if DAEMON
proof_tests += tests/e2e/test_daemon_fleet.py tests/e2e/test_daemon_writes.py
endif
check-proofs:
	$(MAKE) $(AM_MAKEFLAGS) check TESTS='$(proof_tests)'
.PHONY: check-proofs
EXTRA_DIST += tests/e2e/test_daemon_fleet.py tests/e2e/test_daemon_writes.py
if DAEMON
TESTS += tests/e2e/test_daemon_operations.py
endif
EXTRA_DIST += tests/e2e/test_daemon_operations.py
TESTS += tests/e2e/test_http_providers.py
EXTRA_DIST += tests/e2e/test_http_providers.py
if POSTGRESQL
TESTS += tests/e2e/test_daemon_postgresql.py
endif
EXTRA_DIST += tests/e2e/test_daemon_postgresql.py tests/e2e/postgresql_server.py tests/e2e/gateways.py
if POSTGRESQL
proof_tests += tests/e2e/test_daemon_database.py
endif
EXTRA_DIST += tests/e2e/test_daemon_database.py
if DAEMON
TESTS += tests/e2e/test_daemon_cards.py
endif
EXTRA_DIST += tests/e2e/test_daemon_cards.py tests/e2e/device_login.py
if DAEMON
TESTS += tests/e2e/test_daemon_isolation.py
endif
EXTRA_DIST += tests/e2e/test_daemon_isolation.py
if DAEMON
proof_tests += tests/e2e/test_operators_guide.py tests/e2e/test_daemon_leases.py
endif
EXTRA_DIST += tests/e2e/test_daemon_leases.py
EXTRA_DIST += tests/e2e/test_operators_guide.py
if DAEMON
TESTS += tests/e2e/test_daemon_markup.py
endif
EXTRA_DIST += tests/e2e/test_daemon_markup.py
if DAEMON
TESTS += tests/e2e/test_daemon_listener.py
endif
EXTRA_DIST += tests/e2e/test_daemon_listener.py tests/e2e/chart.py
