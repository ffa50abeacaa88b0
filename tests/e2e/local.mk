# End-to-end tests: whole programs, servers that are not ours where there are any.
e2e_tests = \
  tests/e2e/test_simulator.py
TESTS += $(e2e_tests)
EXTRA_DIST += $(e2e_tests) tests/e2e/harness.py tests/e2e/openai_client.mjs tests/e2e/package.json \
  tests/e2e/package-lock.json tests/e2e/.npmrc
