libmergeloom_libportable_la_SOURCES += \
  libmergeloom/base/base64.c \
  libmergeloom/base/buffer.c \
  libmergeloom/base/cleanup.c \
  libmergeloom/base/error.c \
  libmergeloom/base/file.c \
  libmergeloom/base/json_reader.c \
  libmergeloom/base/json_scan.c \
  libmergeloom/base/json_template.c \
  libmergeloom/base/json_writer.c \
  libmergeloom/base/shell_line.c \
  libmergeloom/base/text.c \
  libmergeloom/base/timestamp.c

libmergeloom_libcore_la_SOURCES += \
  libmergeloom/base/base64.h \
  libmergeloom/base/buffer.h \
  libmergeloom/base/call.c \
  libmergeloom/base/call.h \
  libmergeloom/base/cancel.c \
  libmergeloom/base/cleanup.h \
  libmergeloom/base/clock.c \
  libmergeloom/base/clock.h \
  libmergeloom/base/error.h \
  libmergeloom/base/file.h \
  libmergeloom/base/json.c \
  libmergeloom/base/json.h \
  libmergeloom/base/json_reader.h \
  libmergeloom/base/json_scan.h \
  libmergeloom/base/json_template.h \
  libmergeloom/base/json_writer.h \
  libmergeloom/base/library.c \
  libmergeloom/base/log.c \
  libmergeloom/base/log.h \
  libmergeloom/base/shell_line.h \
  libmergeloom/base/text.h \
  libmergeloom/base/timestamp.h
