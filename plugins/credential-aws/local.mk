# Where keys of AWS come from; Google's federation asks for such keys too.
noinst_LTLIBRARIES += plugins/libaws-keys.la
plugins_libaws_keys_la_CPPFLAGS = $(plugin_cppflags)
aws_keys_sources = \
  plugins/credential-aws/aws.h \
  plugins/credential-aws/chain.c \
  plugins/credential-aws/container.c \
  plugins/credential-aws/imds.c \
  plugins/credential-aws/keys.c \
  plugins/credential-aws/process.c \
  plugins/credential-aws/role.c \
  plugins/credential-aws/sso.c \
  plugins/credential-aws/static_keys.c \
  plugins/credential-aws/sts.c \
  plugins/credential-aws/xml.c \
  plugins/credential-aws/xml.h
plugins_libaws_keys_la_SOURCES = $(aws_keys_sources)
credential_aws_sources = $(aws_keys_sources) plugins/credential-aws/credential_aws.c
mergeloom_credential_aws_la_SOURCES = plugins/credential-aws/credential_aws.c
if BUILTIN_PLUGINS
noinst_LTLIBRARIES += plugins/libcredential-aws.la
plugins_libcredential_aws_la_SOURCES = $(mergeloom_credential_aws_la_SOURCES)
plugins_libcredential_aws_la_CPPFLAGS = $(plugin_cppflags) -Dmergeloom_plugin_init_v1=mloom_builtin_credential_aws
libmergeloom_libcore_la_LIBADD += plugins/libcredential-aws.la plugins/libaws-keys.la
else
plugin_LTLIBRARIES += mergeloom-credential-aws.la
endif
mergeloom_credential_aws_la_CPPFLAGS = $(plugin_cppflags)
mergeloom_credential_aws_la_LDFLAGS = $(AM_LDFLAGS) $(plugin_link)
mergeloom_credential_aws_la_LIBADD = plugins/libaws-keys.la plugins/libwire.la libmergeloom/libportable.la

# Shared with providers on AWS.
plugins_libwire_la_SOURCES += \
  plugins/wire/aws_files.c \
  plugins/wire/aws_files.h \
  plugins/wire/aws_ini.c \
  plugins/wire/aws_ini.h \
  plugins/wire/shell_words.c \
  plugins/wire/shell_words.h
