credential_google_sources = \
  plugins/credential-google/credential_google.c \
  plugins/credential-google/exchange.c \
  plugins/credential-google/external_account.c \
  plugins/credential-google/google.h \
  plugins/credential-google/impersonation.c \
  plugins/credential-google/key_file.c \
  plugins/credential-google/key_file.h \
  plugins/credential-google/metadata.c \
  plugins/credential-google/metadata.h \
  plugins/credential-google/service_account.c \
  plugins/credential-google/subject_aws.c \
  plugins/credential-google/subject_executable.c \
  plugins/credential-google/subject_token.c \
  plugins/credential-google/user.c
mergeloom_credential_google_la_SOURCES = $(credential_google_sources)
if BUILTIN_PLUGINS
noinst_LTLIBRARIES += plugins/libcredential-google.la
plugins_libcredential_google_la_SOURCES = $(mergeloom_credential_google_la_SOURCES)
plugins_libcredential_google_la_CPPFLAGS = $(plugin_cppflags) -Dmergeloom_plugin_init_v1=mloom_builtin_credential_google
libmergeloom_libcore_la_LIBADD += plugins/libcredential-google.la
else
plugin_LTLIBRARIES += mergeloom-credential-google.la
endif
mergeloom_credential_google_la_CPPFLAGS = $(plugin_cppflags)
mergeloom_credential_google_la_LDFLAGS = $(AM_LDFLAGS) $(plugin_link)
mergeloom_credential_google_la_LIBADD = plugins/libaws-keys.la plugins/libwire.la libmergeloom/libportable.la
