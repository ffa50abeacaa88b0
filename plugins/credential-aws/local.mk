mergeloom_credential_aws_la_SOURCES = plugins/credential-aws/credential_aws.c
if BUILTIN_PLUGINS
noinst_LTLIBRARIES += plugins/libcredential-aws.la
plugins_libcredential_aws_la_SOURCES = $(mergeloom_credential_aws_la_SOURCES)
plugins_libcredential_aws_la_CPPFLAGS = $(plugin_cppflags) -Dmergeloom_plugin_init_v1=mloom_builtin_credential_aws
libmergeloom_libcore_la_LIBADD += plugins/libcredential-aws.la
else
plugin_LTLIBRARIES += mergeloom-credential-aws.la
endif
mergeloom_credential_aws_la_CPPFLAGS = $(plugin_cppflags)
mergeloom_credential_aws_la_LDFLAGS = $(AM_LDFLAGS) $(plugin_link)
mergeloom_credential_aws_la_LIBADD = plugins/libwire.la libmergeloom/libportable.la
