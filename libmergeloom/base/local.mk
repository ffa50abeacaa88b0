libmergeloom_libcore_la_SOURCES += \
  libmergeloom/base/buffer.h \
  libmergeloom/base/call.h \
  libmergeloom/base/cleanup.h \
  libmergeloom/base/clock.h \
  libmergeloom/base/error.h \
  libmergeloom/base/file.h \
  libmergeloom/base/json.h \
  libmergeloom/base/json_reader.h \
  libmergeloom/base/json_writer.h \
  libmergeloom/base/log.h \
  libmergeloom/base/text.h
