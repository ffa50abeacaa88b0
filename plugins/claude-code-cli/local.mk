mergeloom_claude_code_cli_la_SOURCES = \
  plugins/claude-code-cli/claude_checks.c \
  plugins/claude-code-cli/claude_code_cli.c \
  plugins/claude-code-cli/claude_code_cli.h \
  plugins/claude-code-cli/claude_events.c \
  plugins/claude-code-cli/claude_events.h
if BUILTIN_PLUGINS
noinst_LTLIBRARIES += plugins/libclaude-code-cli.la
plugins_libclaude_code_cli_la_SOURCES = $(mergeloom_claude_code_cli_la_SOURCES)
plugins_libclaude_code_cli_la_CPPFLAGS = $(plugin_cppflags) -Dmergeloom_plugin_init_v1=mloom_builtin_claude_code_cli
libmergeloom_libcore_la_LIBADD += plugins/libclaude-code-cli.la
else
plugin_LTLIBRARIES += mergeloom-claude-code-cli.la
endif
mergeloom_claude_code_cli_la_CPPFLAGS = $(plugin_cppflags)
mergeloom_claude_code_cli_la_LDFLAGS = $(AM_LDFLAGS) $(plugin_link)
mergeloom_claude_code_cli_la_LIBADD = plugins/libwire.la libmergeloom/libportable.la
