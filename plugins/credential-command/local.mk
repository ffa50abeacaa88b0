mergeloom_credential_command_la_SOURCES = \
  plugins/credential-command/credential_command.c \
  plugins/credential-command/output.c \
  plugins/credential-command/output.h
if BUILTIN_PLUGINS
noinst_LTLIBRARIES += plugins/libcredential-command.la
plugins_libcredential_command_la_SOURCES = $(mergeloom_credential_command_la_SOURCES)
plugins_libcredential_command_la_CPPFLAGS = $(plugin_cppflags) -Dmergeloom_plugin_init_v1=mloom_builtin_credential_command
libmergeloom_libcore_la_LIBADD += plugins/libcredential-command.la
else
plugin_LTLIBRARIES += mergeloom-credential-command.la
endif
mergeloom_credential_command_la_CPPFLAGS = $(plugin_cppflags)
mergeloom_credential_command_la_LDFLAGS = $(AM_LDFLAGS) $(plugin_link)
mergeloom_credential_command_la_LIBADD = plugins/libwire.la libmergeloom/libportable.la
