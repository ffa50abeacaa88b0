if HAVE_CUNIT
check_PROGRAMS += tests/unit/base/test_base64
TESTS += tests/unit/base/test_base64
tests_unit_base_test_base64_SOURCES = tests/unit/base/test_base64.c
tests_unit_base_test_base64_CPPFLAGS = $(unit_cppflags)
tests_unit_base_test_base64_CFLAGS = $(unit_cflags)
tests_unit_base_test_base64_LDADD = $(unit_libs)

check_PROGRAMS += tests/unit/base/test_buffer
TESTS += tests/unit/base/test_buffer
tests_unit_base_test_buffer_SOURCES = tests/unit/base/test_buffer.c
tests_unit_base_test_buffer_CPPFLAGS = $(unit_cppflags)
tests_unit_base_test_buffer_CFLAGS = $(unit_cflags)
tests_unit_base_test_buffer_LDADD = $(unit_libs)

check_PROGRAMS += tests/unit/base/test_call
TESTS += tests/unit/base/test_call
tests_unit_base_test_call_SOURCES = tests/unit/base/test_call.c
tests_unit_base_test_call_CPPFLAGS = $(unit_cppflags)
tests_unit_base_test_call_CFLAGS = $(unit_cflags)
tests_unit_base_test_call_LDADD = $(unit_libs)

check_PROGRAMS += tests/unit/base/test_error
TESTS += tests/unit/base/test_error
tests_unit_base_test_error_SOURCES = tests/unit/base/test_error.c
tests_unit_base_test_error_CPPFLAGS = $(unit_cppflags)
tests_unit_base_test_error_CFLAGS = $(unit_cflags)
tests_unit_base_test_error_LDADD = $(unit_libs)

check_PROGRAMS += tests/unit/base/test_file
TESTS += tests/unit/base/test_file
tests_unit_base_test_file_SOURCES = tests/unit/base/test_file.c
tests_unit_base_test_file_CPPFLAGS = $(unit_cppflags)
tests_unit_base_test_file_CFLAGS = $(unit_cflags)
tests_unit_base_test_file_LDADD = $(unit_libs)

check_PROGRAMS += tests/unit/base/test_json
TESTS += tests/unit/base/test_json
tests_unit_base_test_json_SOURCES = tests/unit/base/test_json.c
tests_unit_base_test_json_CPPFLAGS = $(unit_cppflags)
tests_unit_base_test_json_CFLAGS = $(unit_cflags)
tests_unit_base_test_json_LDADD = $(unit_libs)

check_PROGRAMS += tests/unit/base/test_json_reader
TESTS += tests/unit/base/test_json_reader
tests_unit_base_test_json_reader_SOURCES = tests/unit/base/test_json_reader.c
tests_unit_base_test_json_reader_CPPFLAGS = $(unit_cppflags)
tests_unit_base_test_json_reader_CFLAGS = $(unit_cflags)
tests_unit_base_test_json_reader_LDADD = $(unit_libs)

check_PROGRAMS += tests/unit/base/test_json_template
TESTS += tests/unit/base/test_json_template
tests_unit_base_test_json_template_SOURCES = tests/unit/base/test_json_template.c
tests_unit_base_test_json_template_CPPFLAGS = $(unit_cppflags)
tests_unit_base_test_json_template_CFLAGS = $(unit_cflags)
tests_unit_base_test_json_template_LDADD = $(unit_libs)

check_PROGRAMS += tests/unit/base/test_shell_line
TESTS += tests/unit/base/test_shell_line
tests_unit_base_test_shell_line_SOURCES = tests/unit/base/test_shell_line.c
tests_unit_base_test_shell_line_CPPFLAGS = $(unit_cppflags)
tests_unit_base_test_shell_line_CFLAGS = $(unit_cflags)
tests_unit_base_test_shell_line_LDADD = $(unit_libs)

check_PROGRAMS += tests/unit/base/test_text
TESTS += tests/unit/base/test_text
tests_unit_base_test_text_SOURCES = tests/unit/base/test_text.c
tests_unit_base_test_text_CPPFLAGS = $(unit_cppflags)
tests_unit_base_test_text_CFLAGS = $(unit_cflags)
tests_unit_base_test_text_LDADD = $(unit_libs)
endif

if HAVE_CUNIT
check_PROGRAMS += tests/unit/base/test_timestamp
TESTS += tests/unit/base/test_timestamp
tests_unit_base_test_timestamp_SOURCES = tests/unit/base/test_timestamp.c
tests_unit_base_test_timestamp_CPPFLAGS = $(unit_cppflags)
tests_unit_base_test_timestamp_CFLAGS = $(unit_cflags)
tests_unit_base_test_timestamp_LDADD = $(unit_libs)
endif
