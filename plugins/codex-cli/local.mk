mergeloom_codex_cli_la_SOURCES = \
  plugins/codex-cli/codex_checks.c \
  plugins/codex-cli/codex_cli.c \
  plugins/codex-cli/codex_cli.h \
  plugins/codex-cli/codex_events.c \
  plugins/codex-cli/codex_events.h
if BUILTIN_PLUGINS
noinst_LTLIBRARIES += plugins/libcodex-cli.la
plugins_libcodex_cli_la_SOURCES = $(mergeloom_codex_cli_la_SOURCES)
plugins_libcodex_cli_la_CPPFLAGS = $(plugin_cppflags) -Dmergeloom_plugin_init_v1=mloom_builtin_codex_cli
libmergeloom_libcore_la_LIBADD += plugins/libcodex-cli.la
else
plugin_LTLIBRARIES += mergeloom-codex-cli.la
endif
mergeloom_codex_cli_la_CPPFLAGS = $(plugin_cppflags)
mergeloom_codex_cli_la_LDFLAGS = $(AM_LDFLAGS) $(plugin_link)
mergeloom_codex_cli_la_LIBADD = plugins/libwire.la libmergeloom/libportable.la
