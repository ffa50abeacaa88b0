if HAVE_CUNIT
check_PROGRAMS += tests/unit/wire/test_chat_decode tests/unit/wire/test_chat_encode
TESTS += tests/unit/wire/test_chat_decode tests/unit/wire/test_chat_encode
tests_unit_wire_test_chat_decode_SOURCES = tests/unit/wire/test_chat_decode.c tests/unit/wire/answer_record.h
tests_unit_wire_test_chat_decode_CPPFLAGS = $(unit_cppflags) -I$(srcdir)/plugins
tests_unit_wire_test_chat_decode_CFLAGS = $(unit_cflags)
tests_unit_wire_test_chat_decode_LDADD = plugins/libwire.la $(unit_libs)
tests_unit_wire_test_chat_encode_SOURCES = tests/unit/wire/test_chat_encode.c tests/unit/wire/request_messages.h
tests_unit_wire_test_chat_encode_CPPFLAGS = $(unit_cppflags) -I$(srcdir)/plugins
tests_unit_wire_test_chat_encode_CFLAGS = $(unit_cflags)
tests_unit_wire_test_chat_encode_LDADD = plugins/libwire.la $(unit_libs)
endif

# Signatures compared with a published test suite and with botocore.
check_PROGRAMS += tests/unit/wire/sigv4_sign
tests_unit_wire_sigv4_sign_SOURCES = tests/unit/wire/sigv4_sign.c
tests_unit_wire_sigv4_sign_CPPFLAGS = $(AM_CPPFLAGS) -I$(srcdir)/plugins
tests_unit_wire_sigv4_sign_LDADD = plugins/libwire.la libmergeloom/libcore.la
TESTS += tests/unit/wire/test_sigv4.py
EXTRA_DIST += tests/unit/wire/test_sigv4.py tests/data/aws-sigv4

if HAVE_CUNIT
check_PROGRAMS += tests/unit/wire/test_event_stream
TESTS += tests/unit/wire/test_event_stream
tests_unit_wire_test_event_stream_SOURCES = tests/unit/wire/test_event_stream.c
tests_unit_wire_test_event_stream_CPPFLAGS = $(unit_cppflags) -I$(srcdir)/plugins
tests_unit_wire_test_event_stream_CFLAGS = $(unit_cflags)
tests_unit_wire_test_event_stream_LDADD = plugins/libwire.la $(unit_libs)
check_PROGRAMS += tests/unit/wire/test_responses
TESTS += tests/unit/wire/test_responses
tests_unit_wire_test_responses_SOURCES = tests/unit/wire/test_responses.c tests/unit/wire/answer_record.h
tests_unit_wire_test_responses_CPPFLAGS = $(unit_cppflags) -I$(srcdir)/plugins
tests_unit_wire_test_responses_CFLAGS = $(unit_cflags)
tests_unit_wire_test_responses_LDADD = plugins/libwire.la $(unit_libs)
endif

if HAVE_CUNIT
check_PROGRAMS += tests/unit/wire/test_messages_decode tests/unit/wire/test_messages_encode
TESTS += tests/unit/wire/test_messages_decode tests/unit/wire/test_messages_encode
tests_unit_wire_test_messages_decode_SOURCES = tests/unit/wire/test_messages_decode.c tests/unit/wire/answer_record.h
tests_unit_wire_test_messages_decode_CPPFLAGS = $(unit_cppflags) -I$(srcdir)/plugins
tests_unit_wire_test_messages_decode_CFLAGS = $(unit_cflags)
tests_unit_wire_test_messages_decode_LDADD = plugins/libwire.la $(unit_libs)
tests_unit_wire_test_messages_encode_SOURCES = tests/unit/wire/test_messages_encode.c tests/unit/wire/request_messages.h
tests_unit_wire_test_messages_encode_CPPFLAGS = $(unit_cppflags) -I$(srcdir)/plugins
tests_unit_wire_test_messages_encode_CFLAGS = $(unit_cflags)
tests_unit_wire_test_messages_encode_LDADD = plugins/libwire.la $(unit_libs)

check_PROGRAMS += tests/unit/wire/test_credential_aws
TESTS += tests/unit/wire/test_credential_aws
tests_unit_wire_test_credential_aws_SOURCES = tests/unit/wire/test_credential_aws.c $(credential_aws_sources)
tests_unit_wire_test_credential_aws_CPPFLAGS = $(unit_cppflags) -I$(srcdir)/plugins
tests_unit_wire_test_credential_aws_CFLAGS = $(unit_cflags)
tests_unit_wire_test_credential_aws_LDADD = plugins/libwire.la $(unit_libs)
endif

# Signed tokens, verified by the openssl program.
check_PROGRAMS += tests/unit/wire/jwt_sign
tests_unit_wire_jwt_sign_SOURCES = tests/unit/wire/jwt_sign.c
tests_unit_wire_jwt_sign_CPPFLAGS = $(AM_CPPFLAGS) -I$(srcdir)/plugins
tests_unit_wire_jwt_sign_LDADD = plugins/libwire.la libmergeloom/libcore.la
TESTS += tests/unit/wire/test_jwt.py
EXTRA_DIST += tests/unit/wire/test_jwt.py

if HAVE_CUNIT
check_PROGRAMS += tests/unit/wire/test_token_answer
TESTS += tests/unit/wire/test_token_answer
tests_unit_wire_test_token_answer_SOURCES = tests/unit/wire/test_token_answer.c
tests_unit_wire_test_token_answer_CPPFLAGS = $(unit_cppflags) -I$(srcdir)/plugins
tests_unit_wire_test_token_answer_CFLAGS = $(unit_cflags)
tests_unit_wire_test_token_answer_LDADD = plugins/libwire.la $(unit_libs)
endif

if HAVE_CUNIT
check_PROGRAMS += tests/unit/wire/test_converse_decode tests/unit/wire/test_converse_encode
TESTS += tests/unit/wire/test_converse_decode tests/unit/wire/test_converse_encode
tests_unit_wire_test_converse_decode_SOURCES = tests/unit/wire/test_converse_decode.c tests/unit/wire/answer_record.h \
  tests/unit/wire/event_stream_frames.h
tests_unit_wire_test_converse_decode_CPPFLAGS = $(unit_cppflags) -I$(srcdir)/plugins -I$(srcdir)/tests/unit/wire
tests_unit_wire_test_converse_decode_CFLAGS = $(unit_cflags)
tests_unit_wire_test_converse_decode_LDADD = plugins/libwire.la $(unit_libs)
tests_unit_wire_test_converse_encode_SOURCES = tests/unit/wire/test_converse_encode.c tests/unit/wire/request_messages.h
tests_unit_wire_test_converse_encode_CPPFLAGS = $(unit_cppflags) -I$(srcdir)/plugins
tests_unit_wire_test_converse_encode_CFLAGS = $(unit_cflags)
tests_unit_wire_test_converse_encode_LDADD = plugins/libwire.la $(unit_libs)
check_PROGRAMS += tests/unit/wire/test_bedrock_invoke
TESTS += tests/unit/wire/test_bedrock_invoke
tests_unit_wire_test_bedrock_invoke_SOURCES = tests/unit/wire/test_bedrock_invoke.c \
  plugins/aws-bedrock/invoke.c plugins/aws-bedrock/place.c
tests_unit_wire_test_bedrock_invoke_CPPFLAGS = $(unit_cppflags) -I$(srcdir)/plugins -I$(srcdir)/tests/unit/wire
tests_unit_wire_test_bedrock_invoke_CFLAGS = $(unit_cflags)
tests_unit_wire_test_bedrock_invoke_LDADD = plugins/libwire.la $(unit_libs)

check_PROGRAMS += tests/unit/wire/test_credential_azure
TESTS += tests/unit/wire/test_credential_azure
tests_unit_wire_test_credential_azure_SOURCES = tests/unit/wire/test_credential_azure.c \
  $(mergeloom_credential_azure_la_SOURCES)
tests_unit_wire_test_credential_azure_CPPFLAGS = $(unit_cppflags) -I$(srcdir)/plugins
tests_unit_wire_test_credential_azure_CFLAGS = $(unit_cflags)
tests_unit_wire_test_credential_azure_LDADD = plugins/libwire.la $(unit_libs)

check_PROGRAMS += tests/unit/wire/test_service
TESTS += tests/unit/wire/test_service
tests_unit_wire_test_service_SOURCES = tests/unit/wire/test_service.c
tests_unit_wire_test_service_CPPFLAGS = $(unit_cppflags) -I$(srcdir)/plugins
tests_unit_wire_test_service_CFLAGS = $(unit_cflags)
tests_unit_wire_test_service_LDADD = plugins/libwire.la $(unit_libs)

check_PROGRAMS += tests/unit/wire/test_azure_endpoint
TESTS += tests/unit/wire/test_azure_endpoint
tests_unit_wire_test_azure_endpoint_SOURCES = tests/unit/wire/test_azure_endpoint.c \
  plugins/azure-foundry/azure_endpoint.c
tests_unit_wire_test_azure_endpoint_CPPFLAGS = $(unit_cppflags) -I$(srcdir)/plugins
tests_unit_wire_test_azure_endpoint_CFLAGS = $(unit_cflags)
tests_unit_wire_test_azure_endpoint_LDADD = plugins/libwire.la $(unit_libs)
endif

if HAVE_CUNIT
check_PROGRAMS += tests/unit/wire/test_gemini_decode tests/unit/wire/test_gemini_encode \
  tests/unit/wire/test_vertex_address
TESTS += tests/unit/wire/test_gemini_decode tests/unit/wire/test_gemini_encode tests/unit/wire/test_vertex_address
tests_unit_wire_test_gemini_decode_SOURCES = tests/unit/wire/test_gemini_decode.c tests/unit/wire/answer_record.h
tests_unit_wire_test_gemini_decode_CPPFLAGS = $(unit_cppflags) -I$(srcdir)/plugins
tests_unit_wire_test_gemini_decode_CFLAGS = $(unit_cflags)
tests_unit_wire_test_gemini_decode_LDADD = plugins/libwire.la $(unit_libs)
tests_unit_wire_test_gemini_encode_SOURCES = tests/unit/wire/test_gemini_encode.c tests/unit/wire/request_messages.h
tests_unit_wire_test_gemini_encode_CPPFLAGS = $(unit_cppflags) -I$(srcdir)/plugins
tests_unit_wire_test_gemini_encode_CFLAGS = $(unit_cflags)
tests_unit_wire_test_gemini_encode_LDADD = plugins/libwire.la $(unit_libs)
tests_unit_wire_test_vertex_address_SOURCES = tests/unit/wire/test_vertex_address.c plugins/vertex-ai/address.c
tests_unit_wire_test_vertex_address_CPPFLAGS = $(unit_cppflags) -I$(srcdir)/plugins
tests_unit_wire_test_vertex_address_CFLAGS = $(unit_cflags)
tests_unit_wire_test_vertex_address_LDADD = plugins/libwire.la $(unit_libs)
endif

if HAVE_CUNIT
check_PROGRAMS += tests/unit/wire/test_codex_events
TESTS += tests/unit/wire/test_codex_events
tests_unit_wire_test_codex_events_SOURCES = \
  tests/unit/wire/cli_replay.h tests/unit/wire/test_codex_events.c plugins/codex-cli/codex_events.c
tests_unit_wire_test_codex_events_CPPFLAGS = $(unit_cppflags) -I$(srcdir)/plugins
tests_unit_wire_test_codex_events_CFLAGS = $(unit_cflags)
tests_unit_wire_test_codex_events_LDADD = plugins/libwire.la $(unit_libs)
endif
EXTRA_DIST += tests/data/codex-cli

# AWS identities compared with botocore.
check_PROGRAMS += tests/unit/wire/aws_identity
tests_unit_wire_aws_identity_SOURCES = tests/unit/wire/aws_identity.c $(credential_aws_sources)
tests_unit_wire_aws_identity_CPPFLAGS = $(AM_CPPFLAGS) -I$(srcdir)/plugins
tests_unit_wire_aws_identity_LDADD = plugins/libwire.la libmergeloom/libcore.la
TESTS += tests/unit/wire/test_aws_identity.py
EXTRA_DIST += tests/unit/wire/test_aws_identity.py tests/unit/wire/botocore_identity.py tests/unit/wire/aws_sdk_identity.mjs

if HAVE_CUNIT
check_PROGRAMS += tests/unit/wire/test_credential_static
TESTS += tests/unit/wire/test_credential_static
tests_unit_wire_test_credential_static_SOURCES = tests/unit/wire/test_credential_static.c \
  $(mergeloom_credential_static_la_SOURCES)
tests_unit_wire_test_credential_static_CPPFLAGS = $(unit_cppflags) -I$(srcdir)/plugins
tests_unit_wire_test_credential_static_CFLAGS = $(unit_cflags)
tests_unit_wire_test_credential_static_LDADD = plugins/libwire.la $(unit_libs)
endif

EXTRA_DIST += tests/data/claude-code-cli

if HAVE_CUNIT
check_PROGRAMS += tests/unit/wire/test_claude_events
TESTS += tests/unit/wire/test_claude_events
tests_unit_wire_test_claude_events_SOURCES = \
  tests/unit/wire/cli_replay.h tests/unit/wire/test_claude_events.c plugins/claude-code-cli/claude_events.c
tests_unit_wire_test_claude_events_CPPFLAGS = $(unit_cppflags) -I$(srcdir)/plugins
tests_unit_wire_test_claude_events_CFLAGS = $(unit_cflags)
tests_unit_wire_test_claude_events_LDADD = plugins/libwire.la $(unit_libs)
endif

if HAVE_CUNIT
check_PROGRAMS += tests/unit/wire/test_fetch tests/unit/wire/test_aws_parts
TESTS += tests/unit/wire/test_fetch tests/unit/wire/test_aws_parts
tests_unit_wire_test_fetch_SOURCES = tests/unit/wire/test_fetch.c
tests_unit_wire_test_fetch_CPPFLAGS = $(unit_cppflags) -I$(srcdir)/plugins
tests_unit_wire_test_fetch_CFLAGS = $(unit_cflags)
tests_unit_wire_test_fetch_LDADD = plugins/libwire.la $(unit_libs)
tests_unit_wire_test_aws_parts_SOURCES = tests/unit/wire/test_aws_parts.c $(credential_aws_sources)
tests_unit_wire_test_aws_parts_CPPFLAGS = $(unit_cppflags) -I$(srcdir)/plugins
tests_unit_wire_test_aws_parts_CFLAGS = $(unit_cflags)
tests_unit_wire_test_aws_parts_LDADD = plugins/libwire.la $(unit_libs)
endif
