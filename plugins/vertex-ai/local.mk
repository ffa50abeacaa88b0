mergeloom_vertex_ai_la_SOURCES = \
  plugins/vertex-ai/address.c \
  plugins/vertex-ai/address.h \
  plugins/vertex-ai/claude.c \
  plugins/vertex-ai/claude.h \
  plugins/vertex-ai/fields.c \
  plugins/vertex-ai/fields.h \
  plugins/vertex-ai/probe.c \
  plugins/vertex-ai/vertex_ai.c \
  plugins/vertex-ai/vertex_ai.h
if BUILTIN_PLUGINS
noinst_LTLIBRARIES += plugins/libvertex-ai.la
plugins_libvertex_ai_la_SOURCES = $(mergeloom_vertex_ai_la_SOURCES)
plugins_libvertex_ai_la_CPPFLAGS = $(plugin_cppflags) -Dmergeloom_plugin_init_v1=mloom_builtin_vertex_ai
libmergeloom_libcore_la_LIBADD += plugins/libvertex-ai.la
else
plugin_LTLIBRARIES += mergeloom-vertex-ai.la
endif
mergeloom_vertex_ai_la_CPPFLAGS = $(plugin_cppflags)
mergeloom_vertex_ai_la_LDFLAGS = $(AM_LDFLAGS) $(plugin_link)
mergeloom_vertex_ai_la_LIBADD = plugins/libwire.la libmergeloom/libportable.la
