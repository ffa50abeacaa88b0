if BUILTIN_PLUGINS
noinst_LTLIBRARIES += plugins/libcodex-api.la
plugins_libcodex_api_la_SOURCES = $(mergeloom_codex_api_la_SOURCES)
plugins_libcodex_api_la_CPPFLAGS = $(plugin_cppflags) -Dmergeloom_plugin_init_v1=mloom_builtin_codex_api
libmergeloom_libcore_la_LIBADD += plugins/libcodex-api.la
else
plugin_LTLIBRARIES += mergeloom-codex-api.la
endif

mergeloom_codex_api_la_SOURCES = plugins/codex-api/codex_api.c
mergeloom_codex_api_la_CPPFLAGS = $(plugin_cppflags)
mergeloom_codex_api_la_LDFLAGS = $(AM_LDFLAGS) $(plugin_link)
mergeloom_codex_api_la_LIBADD = plugins/libwire.la libmergeloom/libportable.la
