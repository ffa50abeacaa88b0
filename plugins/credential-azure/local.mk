mergeloom_credential_azure_la_SOURCES = \
  plugins/credential-azure/application.c \
  plugins/credential-azure/arc.c \
  plugins/credential-azure/assertion.c \
  plugins/credential-azure/azure.h \
  plugins/credential-azure/credential_azure.c \
  plugins/credential-azure/exchange.c \
  plugins/credential-azure/managed.c \
  plugins/credential-azure/platform.c \
  plugins/credential-azure/refusal.c \
  plugins/credential-azure/settings.c
if BUILTIN_PLUGINS
noinst_LTLIBRARIES += plugins/libcredential-azure.la
plugins_libcredential_azure_la_SOURCES = $(mergeloom_credential_azure_la_SOURCES)
plugins_libcredential_azure_la_CPPFLAGS = $(plugin_cppflags) -Dmergeloom_plugin_init_v1=mloom_builtin_credential_azure
libmergeloom_libcore_la_LIBADD += plugins/libcredential-azure.la
else
plugin_LTLIBRARIES += mergeloom-credential-azure.la
endif
mergeloom_credential_azure_la_CPPFLAGS = $(plugin_cppflags)
mergeloom_credential_azure_la_LDFLAGS = $(AM_LDFLAGS) $(plugin_link)
mergeloom_credential_azure_la_LIBADD = plugins/libwire.la libmergeloom/libportable.la
