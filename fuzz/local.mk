# Fuzz targets, one for each parser of outside bytes. Built with clang after
#   configure CC=clang --enable-fuzzers --enable-sanitizers=address,undefined,fuzzer-no-link
# and run as: fuzz/fuzz_NAME -max_total_time=60 SCRATCH_FOLDER SOURCE/fuzz/seeds/NAME
fuzz_cflags = $(AM_CFLAGS) -fsanitize=fuzzer,address,undefined
fuzz_libs = libmergeloom/libcore.la

if FUZZERS
noinst_PROGRAMS += fuzz/fuzz_sse
fuzz_fuzz_sse_SOURCES = fuzz/fuzz_sse.c fuzz/cuts.h
fuzz_fuzz_sse_CFLAGS = $(fuzz_cflags)
fuzz_fuzz_sse_LDADD = $(fuzz_libs)

noinst_PROGRAMS += fuzz/fuzz_json_reader
fuzz_fuzz_json_reader_SOURCES = fuzz/fuzz_json_reader.c
fuzz_fuzz_json_reader_CFLAGS = $(fuzz_cflags) $(JSONC_CFLAGS)
fuzz_fuzz_json_reader_LDADD = $(fuzz_libs) $(JSONC_LIBS) -lm

noinst_PROGRAMS += fuzz/fuzz_json_template
fuzz_fuzz_json_template_SOURCES = fuzz/fuzz_json_template.c
fuzz_fuzz_json_template_CFLAGS = $(fuzz_cflags)
fuzz_fuzz_json_template_LDADD = $(fuzz_libs)

noinst_PROGRAMS += fuzz/fuzz_text
fuzz_fuzz_text_SOURCES = fuzz/fuzz_text.c
fuzz_fuzz_text_CFLAGS = $(fuzz_cflags)
fuzz_fuzz_text_LDADD = $(fuzz_libs)

noinst_PROGRAMS += fuzz/fuzz_directives
fuzz_fuzz_directives_SOURCES = fuzz/fuzz_directives.c
fuzz_fuzz_directives_CFLAGS = $(fuzz_cflags)
fuzz_fuzz_directives_LDADD = $(fuzz_libs)

if DAEMON
noinst_PROGRAMS += fuzz/fuzz_archive
fuzz_fuzz_archive_SOURCES = fuzz/fuzz_archive.c daemon/store/archive.c daemon/store/archive.h
fuzz_fuzz_archive_CPPFLAGS = $(AM_CPPFLAGS) -I$(srcdir)/daemon
fuzz_fuzz_archive_CFLAGS = $(fuzz_cflags)
fuzz_fuzz_archive_LDADD = $(fuzz_libs)
endif

noinst_PROGRAMS += fuzz/fuzz_ticket
fuzz_fuzz_ticket_SOURCES = fuzz/fuzz_ticket.c
fuzz_fuzz_ticket_CFLAGS = $(fuzz_cflags)
fuzz_fuzz_ticket_LDADD = $(fuzz_libs)

noinst_PROGRAMS += fuzz/fuzz_chat_decode
fuzz_fuzz_chat_decode_SOURCES = fuzz/fuzz_chat_decode.c fuzz/decoded.h
fuzz_fuzz_chat_decode_CPPFLAGS = $(AM_CPPFLAGS) -I$(srcdir)/plugins
fuzz_fuzz_chat_decode_CFLAGS = $(fuzz_cflags)
fuzz_fuzz_chat_decode_LDADD = plugins/libwire.la $(fuzz_libs)

noinst_PROGRAMS += fuzz/fuzz_messages_decode
fuzz_fuzz_messages_decode_SOURCES = fuzz/fuzz_messages_decode.c fuzz/decoded.h
fuzz_fuzz_messages_decode_CPPFLAGS = $(AM_CPPFLAGS) -I$(srcdir)/plugins
fuzz_fuzz_messages_decode_CFLAGS = $(fuzz_cflags)
fuzz_fuzz_messages_decode_LDADD = plugins/libwire.la $(fuzz_libs)

noinst_PROGRAMS += fuzz/fuzz_redactor
fuzz_fuzz_redactor_SOURCES = fuzz/fuzz_redactor.c
fuzz_fuzz_redactor_CFLAGS = $(fuzz_cflags)
fuzz_fuzz_redactor_LDADD = $(fuzz_libs)

noinst_PROGRAMS += fuzz/fuzz_elf
fuzz_fuzz_elf_SOURCES = fuzz/fuzz_elf.c
fuzz_fuzz_elf_CFLAGS = $(fuzz_cflags)
fuzz_fuzz_elf_LDADD = $(fuzz_libs)

noinst_PROGRAMS += fuzz/fuzz_job_document
fuzz_fuzz_job_document_SOURCES = fuzz/fuzz_job_document.c
fuzz_fuzz_job_document_CFLAGS = $(fuzz_cflags)
fuzz_fuzz_job_document_LDADD = $(fuzz_libs)

noinst_PROGRAMS += fuzz/fuzz_tool_arguments
fuzz_fuzz_tool_arguments_SOURCES = fuzz/fuzz_tool_arguments.c
fuzz_fuzz_tool_arguments_CFLAGS = $(fuzz_cflags)
fuzz_fuzz_tool_arguments_LDADD = $(fuzz_libs)

noinst_PROGRAMS += fuzz/fuzz_diff_output
fuzz_fuzz_diff_output_SOURCES = fuzz/fuzz_diff_output.c
fuzz_fuzz_diff_output_CFLAGS = $(fuzz_cflags)
fuzz_fuzz_diff_output_LDADD = $(fuzz_libs)

noinst_PROGRAMS += fuzz/fuzz_stored_result
fuzz_fuzz_stored_result_SOURCES = fuzz/fuzz_stored_result.c tool/json.c tool/text.c
fuzz_fuzz_stored_result_CPPFLAGS = -D_GNU_SOURCE
fuzz_fuzz_stored_result_CFLAGS = $(fuzz_cflags)

noinst_PROGRAMS += fuzz/fuzz_event_stream
fuzz_fuzz_event_stream_SOURCES = fuzz/fuzz_event_stream.c fuzz/cuts.h
fuzz_fuzz_event_stream_CPPFLAGS = $(AM_CPPFLAGS) -I$(srcdir)/plugins
fuzz_fuzz_event_stream_CFLAGS = $(fuzz_cflags)
fuzz_fuzz_event_stream_LDADD = plugins/libwire.la $(fuzz_libs)
endif
EXTRA_DIST += fuzz/seeds

if FUZZERS
noinst_PROGRAMS += fuzz/fuzz_responses_decode
fuzz_fuzz_responses_decode_SOURCES = fuzz/fuzz_responses_decode.c fuzz/decoded.h
fuzz_fuzz_responses_decode_CPPFLAGS = $(AM_CPPFLAGS) -I$(srcdir)/plugins
fuzz_fuzz_responses_decode_CFLAGS = $(fuzz_cflags)
fuzz_fuzz_responses_decode_LDADD = plugins/libwire.la $(fuzz_libs)
endif

if FUZZERS
noinst_PROGRAMS += fuzz/fuzz_service_answers
fuzz_fuzz_service_answers_SOURCES = fuzz/fuzz_service_answers.c plugins/azure-foundry/azure_endpoint.c
fuzz_fuzz_service_answers_CPPFLAGS = $(AM_CPPFLAGS) -I$(srcdir)/plugins
fuzz_fuzz_service_answers_CFLAGS = $(fuzz_cflags)
fuzz_fuzz_service_answers_LDADD = plugins/libwire.la $(fuzz_libs)

noinst_PROGRAMS += fuzz/fuzz_token_answer
fuzz_fuzz_token_answer_SOURCES = fuzz/fuzz_token_answer.c
fuzz_fuzz_token_answer_CPPFLAGS = $(AM_CPPFLAGS) -I$(srcdir)/plugins
fuzz_fuzz_token_answer_CFLAGS = $(fuzz_cflags)
fuzz_fuzz_token_answer_LDADD = plugins/libwire.la $(fuzz_libs)
endif

if FUZZERS
noinst_PROGRAMS += fuzz/fuzz_converse_decode
fuzz_fuzz_converse_decode_SOURCES = fuzz/fuzz_converse_decode.c fuzz/decoded.h
fuzz_fuzz_converse_decode_CPPFLAGS = $(AM_CPPFLAGS) -I$(srcdir)/plugins -I$(srcdir)/tests/unit/wire
fuzz_fuzz_converse_decode_CFLAGS = $(fuzz_cflags)
fuzz_fuzz_converse_decode_LDADD = plugins/libwire.la $(fuzz_libs)

noinst_PROGRAMS += fuzz/fuzz_bedrock_invoke
fuzz_fuzz_bedrock_invoke_SOURCES = fuzz/fuzz_bedrock_invoke.c plugins/aws-bedrock/invoke.c
fuzz_fuzz_bedrock_invoke_CPPFLAGS = $(AM_CPPFLAGS) -I$(srcdir)/plugins -I$(srcdir)/tests/unit/wire
fuzz_fuzz_bedrock_invoke_CFLAGS = $(fuzz_cflags)
fuzz_fuzz_bedrock_invoke_LDADD = plugins/libwire.la $(fuzz_libs)

noinst_PROGRAMS += fuzz/fuzz_azure_answers
fuzz_fuzz_azure_answers_SOURCES = fuzz/fuzz_azure_answers.c $(mergeloom_credential_azure_la_SOURCES)
fuzz_fuzz_azure_answers_CPPFLAGS = $(AM_CPPFLAGS) -I$(srcdir)/plugins
fuzz_fuzz_azure_answers_CFLAGS = $(fuzz_cflags)
fuzz_fuzz_azure_answers_LDADD = plugins/libwire.la $(fuzz_libs)
endif

if FUZZERS
noinst_PROGRAMS += fuzz/fuzz_google_key_file
fuzz_fuzz_google_key_file_SOURCES = fuzz/fuzz_google_key_file.c plugins/credential-google/key_file.c
fuzz_fuzz_google_key_file_CPPFLAGS = $(AM_CPPFLAGS) -I$(srcdir)/plugins -I$(srcdir)/plugins/credential-google
fuzz_fuzz_google_key_file_CFLAGS = $(fuzz_cflags)
fuzz_fuzz_google_key_file_LDADD = plugins/libwire.la $(fuzz_libs)

noinst_PROGRAMS += fuzz/fuzz_command_output
fuzz_fuzz_command_output_SOURCES = fuzz/fuzz_command_output.c plugins/credential-command/output.c \
  plugins/credential-command/output.h
fuzz_fuzz_command_output_CPPFLAGS = $(AM_CPPFLAGS) -I$(srcdir)/plugins
fuzz_fuzz_command_output_CFLAGS = $(fuzz_cflags)
fuzz_fuzz_command_output_LDADD = plugins/libwire.la $(fuzz_libs)
endif

if FUZZERS
noinst_PROGRAMS += fuzz/fuzz_gemini_decode fuzz/fuzz_gemini_schema
fuzz_fuzz_gemini_decode_SOURCES = fuzz/fuzz_gemini_decode.c fuzz/decoded.h
fuzz_fuzz_gemini_decode_CPPFLAGS = $(AM_CPPFLAGS) -I$(srcdir)/plugins
fuzz_fuzz_gemini_decode_CFLAGS = $(fuzz_cflags)
fuzz_fuzz_gemini_decode_LDADD = plugins/libwire.la $(fuzz_libs)
fuzz_fuzz_gemini_schema_SOURCES = fuzz/fuzz_gemini_schema.c
fuzz_fuzz_gemini_schema_CPPFLAGS = $(AM_CPPFLAGS) -I$(srcdir)/plugins
fuzz_fuzz_gemini_schema_CFLAGS = $(fuzz_cflags)
fuzz_fuzz_gemini_schema_LDADD = plugins/libwire.la $(fuzz_libs)

noinst_PROGRAMS += fuzz/fuzz_codex_events
fuzz_fuzz_codex_events_SOURCES = fuzz/fuzz_codex_events.c fuzz/cli_output.h plugins/codex-cli/codex_events.c
fuzz_fuzz_codex_events_CPPFLAGS = $(AM_CPPFLAGS) -I$(srcdir)/plugins
fuzz_fuzz_codex_events_CFLAGS = $(fuzz_cflags)
fuzz_fuzz_codex_events_LDADD = plugins/libwire.la $(fuzz_libs)

noinst_PROGRAMS += fuzz/fuzz_claude_events
fuzz_fuzz_claude_events_SOURCES = fuzz/fuzz_claude_events.c fuzz/cli_output.h plugins/claude-code-cli/claude_events.c
fuzz_fuzz_claude_events_CPPFLAGS = $(AM_CPPFLAGS) -I$(srcdir)/plugins
fuzz_fuzz_claude_events_CFLAGS = $(fuzz_cflags)
fuzz_fuzz_claude_events_LDADD = plugins/libwire.la $(fuzz_libs)
endif

if FUZZERS
noinst_PROGRAMS += fuzz/fuzz_aws_ini
fuzz_fuzz_aws_ini_SOURCES = fuzz/fuzz_aws_ini.c
fuzz_fuzz_aws_ini_CPPFLAGS = $(AM_CPPFLAGS) -I$(srcdir)/plugins
fuzz_fuzz_aws_ini_CFLAGS = $(fuzz_cflags)
fuzz_fuzz_aws_ini_LDADD = plugins/libwire.la $(fuzz_libs)

noinst_PROGRAMS += fuzz/fuzz_aws_answers
fuzz_fuzz_aws_answers_SOURCES = fuzz/fuzz_aws_answers.c $(credential_aws_sources)
fuzz_fuzz_aws_answers_CPPFLAGS = $(AM_CPPFLAGS) -I$(srcdir)/plugins
fuzz_fuzz_aws_answers_CFLAGS = $(fuzz_cflags)
fuzz_fuzz_aws_answers_LDADD = plugins/libwire.la $(fuzz_libs)
endif

if FUZZERS
noinst_PROGRAMS += fuzz/fuzz_google_answers
fuzz_fuzz_google_answers_SOURCES = fuzz/fuzz_google_answers.c $(credential_google_sources)
fuzz_fuzz_google_answers_CPPFLAGS = $(AM_CPPFLAGS) -I$(srcdir)/plugins -I$(srcdir)/plugins/credential-google
fuzz_fuzz_google_answers_CFLAGS = $(fuzz_cflags)
fuzz_fuzz_google_answers_LDADD = plugins/libaws-keys.la plugins/libwire.la $(fuzz_libs)
endif

if FUZZERS
noinst_PROGRAMS += fuzz/fuzz_login_reader
fuzz_fuzz_login_reader_SOURCES = fuzz/fuzz_login_reader.c
fuzz_fuzz_login_reader_CFLAGS = $(fuzz_cflags)
fuzz_fuzz_login_reader_LDADD = $(fuzz_libs)
endif

if FUZZERS
noinst_PROGRAMS += fuzz/fuzz_timestamp
fuzz_fuzz_timestamp_SOURCES = fuzz/fuzz_timestamp.c
fuzz_fuzz_timestamp_CFLAGS = $(fuzz_cflags)
fuzz_fuzz_timestamp_LDADD = $(fuzz_libs)
endif

if FUZZERS
noinst_PROGRAMS += fuzz/fuzz_shell_line
fuzz_fuzz_shell_line_SOURCES = fuzz/fuzz_shell_line.c
fuzz_fuzz_shell_line_CFLAGS = $(fuzz_cflags)
fuzz_fuzz_shell_line_LDADD = $(fuzz_libs)
endif

if FUZZERS
noinst_PROGRAMS += fuzz/fuzz_key_file
fuzz_fuzz_key_file_SOURCES = fuzz/fuzz_key_file.c
fuzz_fuzz_key_file_CPPFLAGS = $(AM_CPPFLAGS) -I$(srcdir)/plugins
fuzz_fuzz_key_file_CFLAGS = $(fuzz_cflags)
fuzz_fuzz_key_file_LDADD = plugins/libwire.la $(fuzz_libs)

noinst_PROGRAMS += fuzz/fuzz_bedrock_key
fuzz_fuzz_bedrock_key_SOURCES = fuzz/fuzz_bedrock_key.c plugins/aws-bedrock/bearer_key.c
fuzz_fuzz_bedrock_key_CPPFLAGS = $(AM_CPPFLAGS) -I$(srcdir)/plugins
fuzz_fuzz_bedrock_key_CFLAGS = $(fuzz_cflags)
fuzz_fuzz_bedrock_key_LDADD = plugins/libwire.la $(fuzz_libs)
endif
