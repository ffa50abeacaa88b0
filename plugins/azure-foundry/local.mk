mergeloom_azure_foundry_la_SOURCES = \
  plugins/azure-foundry/azure_endpoint.c \
  plugins/azure-foundry/azure_endpoint.h \
  plugins/azure-foundry/azure_foundry.c \
  plugins/azure-foundry/azure_foundry.h \
  plugins/azure-foundry/fields.c \
  plugins/azure-foundry/refusal.c
if BUILTIN_PLUGINS
noinst_LTLIBRARIES += plugins/libazure-foundry.la
plugins_libazure_foundry_la_SOURCES = $(mergeloom_azure_foundry_la_SOURCES)
plugins_libazure_foundry_la_CPPFLAGS = $(plugin_cppflags) -Dmergeloom_plugin_init_v1=mloom_builtin_azure_foundry
libmergeloom_libcore_la_LIBADD += plugins/libazure-foundry.la
else
plugin_LTLIBRARIES += mergeloom-azure-foundry.la
endif
mergeloom_azure_foundry_la_CPPFLAGS = $(plugin_cppflags)
mergeloom_azure_foundry_la_LDFLAGS = $(AM_LDFLAGS) $(plugin_link)
mergeloom_azure_foundry_la_LIBADD = plugins/libwire.la libmergeloom/libportable.la
