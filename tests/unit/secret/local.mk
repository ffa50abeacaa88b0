if HAVE_CUNIT
check_PROGRAMS += tests/unit/secret/test_redactor tests/unit/secret/test_secret
TESTS += tests/unit/secret/test_redactor tests/unit/secret/test_secret
tests_unit_secret_test_redactor_SOURCES = tests/unit/secret/test_redactor.c
tests_unit_secret_test_redactor_CPPFLAGS = $(unit_cppflags)
tests_unit_secret_test_redactor_CFLAGS = $(unit_cflags)
tests_unit_secret_test_redactor_LDADD = $(unit_libs)
tests_unit_secret_test_secret_SOURCES = tests/unit/secret/test_secret.c
tests_unit_secret_test_secret_CPPFLAGS = $(unit_cppflags)
tests_unit_secret_test_secret_CFLAGS = $(unit_cflags)
tests_unit_secret_test_secret_LDADD = $(unit_libs)
check_PROGRAMS += tests/unit/secret/test_crypto
TESTS += tests/unit/secret/test_crypto
tests_unit_secret_test_crypto_SOURCES = tests/unit/secret/test_crypto.c
tests_unit_secret_test_crypto_CPPFLAGS = $(unit_cppflags)
tests_unit_secret_test_crypto_CFLAGS = $(unit_cflags)
tests_unit_secret_test_crypto_LDADD = $(unit_libs)
check_PROGRAMS += tests/unit/secret/test_seal
TESTS += tests/unit/secret/test_seal
tests_unit_secret_test_seal_SOURCES = tests/unit/secret/test_seal.c
tests_unit_secret_test_seal_CPPFLAGS = $(unit_cppflags)
tests_unit_secret_test_seal_CFLAGS = $(unit_cflags)
tests_unit_secret_test_seal_LDADD = $(unit_libs)
endif
