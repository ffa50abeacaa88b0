# Each plugin is one shared object that links nothing but the portable parts and exports one symbol.
plugin_link = -module -avoid-version -shared -no-undefined -Wl,-z,defs -Wl,--gc-sections -export-symbols-regex '^mergeloom_plugin_init_v1$$'
plugin_cppflags = $(AM_CPPFLAGS) -I$(srcdir)/plugins

# Shared by plugins; compiled into each that speaks the format.
wire_chat_sources = \
  plugins/wire/answer.c \
  plugins/wire/answer.h \
  plugins/wire/body.c \
  plugins/wire/body.h \
  plugins/wire/chat.h \
  plugins/wire/chat_calls.c \
  plugins/wire/chat_decode.c \
  plugins/wire/chat_document.c \
  plugins/wire/chat_dialect.c \
  plugins/wire/chat_encode.c \
  plugins/wire/chat_internal.h \
  plugins/wire/chat_text_call.c \
  plugins/wire/dialect.h \
  plugins/wire/endpoint.c \
  plugins/wire/endpoint.h \
  plugins/wire/model_list.c \
  plugins/wire/model_list.h \
  plugins/wire/pieces.c \
  plugins/wire/pieces.h \
  plugins/wire/provider_settings.c \
  plugins/wire/provider_settings.h \
  plugins/wire/rate_limit.c \
  plugins/wire/rate_limit.h \
  plugins/wire/responses.h \
  plugins/wire/responses_decode.c \
  plugins/wire/responses_dialect.c \
  plugins/wire/responses_encode.c \
  plugins/wire/responses_event.c \
  plugins/wire/responses_internal.h \
  plugins/wire/service.c \
  plugins/wire/service.h \
  plugins/wire/service_error.c \
  plugins/wire/service_error.h
wire_messages_sources = \
  plugins/wire/blocks.c \
  plugins/wire/blocks.h \
  plugins/wire/messages.h \
  plugins/wire/messages_decode.c \
  plugins/wire/messages_dialect.c \
  plugins/wire/messages_encode.c \
  plugins/wire/messages_error.c \
  plugins/wire/messages_event.c \
  plugins/wire/messages_internal.h \
  plugins/wire/turns.c \
  plugins/wire/turns.h
noinst_LTLIBRARIES += plugins/libwire.la
plugins_libwire_la_SOURCES = $(wire_chat_sources) $(wire_messages_sources)
plugins_libwire_la_CPPFLAGS = $(plugin_cppflags)

if BUILTIN_PLUGINS
# libmergeloom/plugin/builtin.c names these entries.
noinst_LTLIBRARIES += plugins/libopenai-compatible.la plugins/libcredential-static.la
plugins_libopenai_compatible_la_SOURCES = $(mergeloom_openai_compatible_la_SOURCES)
plugins_libopenai_compatible_la_CPPFLAGS = $(plugin_cppflags) -Dmergeloom_plugin_init_v1=mloom_builtin_openai_compatible
plugins_libcredential_static_la_SOURCES = $(mergeloom_credential_static_la_SOURCES)
plugins_libcredential_static_la_CPPFLAGS = $(plugin_cppflags) -Dmergeloom_plugin_init_v1=mloom_builtin_credential_static
libmergeloom_libcore_la_LIBADD += plugins/libopenai-compatible.la plugins/libcredential-static.la plugins/libwire.la
else
plugin_LTLIBRARIES += mergeloom-openai-compatible.la mergeloom-credential-static.la
endif

mergeloom_openai_compatible_la_SOURCES = plugins/openai-compatible/openai_compatible.c
mergeloom_openai_compatible_la_CPPFLAGS = $(plugin_cppflags)
mergeloom_openai_compatible_la_LDFLAGS = $(AM_LDFLAGS) $(plugin_link)
mergeloom_openai_compatible_la_LIBADD = plugins/libwire.la libmergeloom/libportable.la

mergeloom_credential_static_la_SOURCES = plugins/credential-static/credential_static.c
mergeloom_credential_static_la_CPPFLAGS = $(plugin_cppflags)
mergeloom_credential_static_la_LDFLAGS = $(AM_LDFLAGS) $(plugin_link)
mergeloom_credential_static_la_LIBADD = plugins/libwire.la libmergeloom/libportable.la

include plugins/azure-foundry/local.mk
include plugins/claude-api/local.mk
include plugins/codex-api/local.mk

# The .so is all that is loaded.
install-data-hook:
	for plugin in $(plugin_LTLIBRARIES); do rm -f "$(DESTDIR)$(plugindir)/$$plugin"; done
uninstall-hook:
	for plugin in $(plugin_LTLIBRARIES); do rm -f "$(DESTDIR)$(plugindir)/$${plugin%.la}.so"; done

# What services of AWS share.
plugins_libwire_la_SOURCES += \
  plugins/wire/converse.h \
  plugins/wire/converse_decode.c \
  plugins/wire/converse_dialect.c \
  plugins/wire/converse_encode.c \
  plugins/wire/converse_error.c \
  plugins/wire/converse_event.c \
  plugins/wire/converse_internal.h \
  plugins/wire/event_stream.c \
  plugins/wire/event_stream.h \
  plugins/wire/sigv4.c \
  plugins/wire/sigv4.h \
  plugins/wire/sigv4_canonical.c \
  plugins/wire/sigv4_internal.h

include plugins/credential-aws/local.mk
include plugins/aws-bedrock/local.mk

# What credential sources share.
plugins_libwire_la_SOURCES += \
  plugins/wire/command_fields.c \
  plugins/wire/command_fields.h \
  plugins/wire/fetch.c \
  plugins/wire/fetch.h \
  plugins/wire/helper.c \
  plugins/wire/helper.h \
  plugins/wire/setting_secret.c \
  plugins/wire/setting_secret.h

# What identities that sign their own assertions share.
plugins_libwire_la_SOURCES += \
  plugins/wire/jwt.c \
  plugins/wire/jwt.h

# What identities of Google and Azure share.
plugins_libwire_la_SOURCES += \
  plugins/wire/token_answer.c \
  plugins/wire/token_answer.h

# Where Google's credentials are, for identities and for providers that want to know the project.
plugins_libwire_la_SOURCES += \
  plugins/wire/google_adc.c \
  plugins/wire/google_adc.h

include plugins/credential-google/local.mk

include plugins/credential-azure/local.mk
include plugins/credential-command/local.mk

# What programs with a login of their own share.
plugins_libwire_la_SOURCES += \
  plugins/cli/agent.c \
  plugins/cli/agent.h \
  plugins/cli/command.c \
  plugins/cli/command.h \
  plugins/cli/lines.c \
  plugins/cli/lines.h \
  plugins/cli/members.c \
  plugins/cli/members.h \
  plugins/cli/program.c \
  plugins/cli/program.h \
  plugins/cli/stream.c \
  plugins/cli/stream.h
include plugins/codex-cli/local.mk
include plugins/claude-code-cli/local.mk

# Models of Google.
plugins_libwire_la_SOURCES += \
  plugins/wire/gemini.h \
  plugins/wire/gemini_chunk.c \
  plugins/wire/gemini_decode.c \
  plugins/wire/gemini_dialect.c \
  plugins/wire/gemini_encode.c \
  plugins/wire/gemini_internal.h \
  plugins/wire/gemini_schema.c \
  plugins/wire/google_error.c \
  plugins/wire/google_error.h

include plugins/vertex-ai/local.mk
