mergeloom_aws_bedrock_la_SOURCES = \
  plugins/aws-bedrock/aws_bedrock.c \
  plugins/aws-bedrock/aws_bedrock.h \
  plugins/aws-bedrock/bearer_key.c \
  plugins/aws-bedrock/fields.c \
  plugins/aws-bedrock/invoke.c \
  plugins/aws-bedrock/place.c \
  plugins/aws-bedrock/probe.c
if BUILTIN_PLUGINS
noinst_LTLIBRARIES += plugins/libaws-bedrock.la
plugins_libaws_bedrock_la_SOURCES = $(mergeloom_aws_bedrock_la_SOURCES)
plugins_libaws_bedrock_la_CPPFLAGS = $(plugin_cppflags) -Dmergeloom_plugin_init_v1=mloom_builtin_aws_bedrock
libmergeloom_libcore_la_LIBADD += plugins/libaws-bedrock.la
else
plugin_LTLIBRARIES += mergeloom-aws-bedrock.la
endif
mergeloom_aws_bedrock_la_CPPFLAGS = $(plugin_cppflags)
mergeloom_aws_bedrock_la_LDFLAGS = $(AM_LDFLAGS) $(plugin_link)
mergeloom_aws_bedrock_la_LIBADD = plugins/libwire.la libmergeloom/libportable.la
