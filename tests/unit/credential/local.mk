if HAVE_CUNIT
check_PROGRAMS += tests/unit/credential/test_credential
TESTS += tests/unit/credential/test_credential
tests_unit_credential_test_credential_SOURCES = tests/unit/credential/test_credential.c
tests_unit_credential_test_credential_CPPFLAGS = $(unit_cppflags)
tests_unit_credential_test_credential_CFLAGS = $(unit_cflags)
tests_unit_credential_test_credential_LDADD = $(unit_libs)
endif
