mergeloom_claude_api_la_SOURCES = plugins/claude-api/claude_api.c
if BUILTIN_PLUGINS
noinst_LTLIBRARIES += plugins/libclaude-api.la
plugins_libclaude_api_la_SOURCES = $(mergeloom_claude_api_la_SOURCES)
plugins_libclaude_api_la_CPPFLAGS = $(plugin_cppflags) -Dmergeloom_plugin_init_v1=mloom_builtin_claude_api
libmergeloom_libcore_la_LIBADD += plugins/libclaude-api.la
else
plugin_LTLIBRARIES += mergeloom-claude-api.la
endif
mergeloom_claude_api_la_CPPFLAGS = $(plugin_cppflags)
mergeloom_claude_api_la_LDFLAGS = $(AM_LDFLAGS) $(plugin_link)
mergeloom_claude_api_la_LIBADD = plugins/libwire.la libmergeloom/libportable.la
