/* SPDX-License-Identifier: Apache-2.0 */
#include "secret/redactor.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/text.h"
#include "secret/forms.h"
#include "secret/lookalike.h"

#define REPLACEMENT "[redacted]"
/* Longer than any key that is recognised by its looks; known secrets that are longer are cut here. */
#define HOLD_LIMIT ((size_t)32 * 1024)
#define NO_PATTERN UINT32_MAX
/* Of secrets that come and go, so many are known although nobody holds them any more; when there are twice as many, the
 * oldest are forgotten. A process that lives for months gets a token each hour, and may lock eight megabytes. */
#define PASSING_KEPT ((size_t)64)

/* One form of one secret; its bytes are themselves kept as a secret. */
typedef struct pattern {
  mloom_secret *bytes;
  uint32_t flags;
  uint32_t next;  /* with the same first byte */
  uint64_t times; /* that it was added and not forgotten */
} pattern;

struct mloom_redactor {
  pthread_rwlock_t lock;
  const mloom_log *log;
  int told_unlocked;
  pattern *patterns;
  uint32_t count;
  uint32_t capacity;
  const mloom_secret **passing; /* the oldest first */
  size_t passing_count;
  size_t passing_capacity;
  uint32_t first[256];      /* by first byte */
  uint8_t pairs[65536 / 8]; /* which two bytes some form begins with: nearly every place of a text is dismissed here */
};

/* What one pass looks for. */
typedef struct scan {
  const mloom_redactor *redactor; /* may be NULL */
  const char *data;
  size_t size;
  char before;    /* the byte before data[0], '\n' at the beginning of the text */
  int final;      /* nothing follows data */
  int known_only; /* no look-alikes */
} scan;

/* What was found at one place: keep bytes stay, size bytes go. */
typedef struct finding {
  size_t keep;
  size_t size;
  int run; /* base64 characters that follow go too */
} finding;

int32_t mloom_redactor_new(mloom_redactor **out, mloom_error *error) {
  mloom_redactor *redactor = calloc(1, sizeof(*redactor));
  *out = redactor;
  if (redactor == NULL) {
    return mloom_error_memory(error);
  }
  pthread_rwlock_init(&redactor->lock, NULL);
  for (size_t i = 0; i < 256; i++) {
    redactor->first[i] = NO_PATTERN;
  }
  return MLOOM_OK;
}

void mloom_redactor_free(mloom_redactor *redactor) {
  if (redactor == NULL) {
    return;
  }
  for (uint32_t i = 0; i < redactor->count; i++) {
    mloom_secret_unref(redactor->patterns[i].bytes);
  }
  for (size_t i = 0; i < redactor->passing_count; i++) {
    mloom_secret_unref(redactor->passing[i]);
  }
  free(redactor->passing);
  free(redactor->patterns);
  pthread_rwlock_destroy(&redactor->lock);
  free(redactor);
}

void mloom_redactor_set_log(mloom_redactor *redactor, const mloom_log *log) {
  redactor->log = log;
}

/* ---- Learning ---- */

static pattern *find_form(const mloom_redactor *redactor, const char *data, size_t size) {
  for (uint32_t i = redactor->first[(unsigned char)data[0]]; i != NO_PATTERN; i = redactor->patterns[i].next) {
    mloom_bytes bytes = mloom_secret_bytes(redactor->patterns[i].bytes);
    if (bytes.size == size && memcmp(bytes.data, data, size) == 0) {
      return &redactor->patterns[i];
    }
  }
  return NULL;
}

/* Every form has at least two bytes. */
static uint32_t pair_at(const char *data) {
  return (uint32_t)(unsigned char)data[0] << 8 | (unsigned char)data[1];
}

static void link_form(mloom_redactor *redactor, uint32_t index) {
  const char *data = mloom_secret_bytes(redactor->patterns[index].bytes).data;
  uint32_t pair = pair_at(data);
  redactor->patterns[index].next = redactor->first[(unsigned char)data[0]];
  redactor->first[(unsigned char)data[0]] = index;
  redactor->pairs[pair / 8] |= (uint8_t)(1u << pair % 8);
}

static int32_t add_form(const char *data, size_t size, uint32_t flags, void *userdata) {
  mloom_redactor *redactor = userdata;
  pattern *known = find_form(redactor, data, size);
  if (known != NULL) {
    known->times++;
    return MLOOM_OK;
  }
  if (redactor->count == redactor->capacity) {
    uint32_t capacity = redactor->capacity == 0 ? 32 : redactor->capacity * 2;
    pattern *grown = realloc(redactor->patterns, capacity * sizeof(*grown));
    if (grown == NULL) {
      return MLOOM_E_MEMORY;
    }
    redactor->patterns = grown;
    redactor->capacity = capacity;
  }
  pattern *added = &redactor->patterns[redactor->count];
  int32_t code = mloom_secret_new(&added->bytes, data, size, NULL);
  if (code == MLOOM_OK) {
    added->flags = flags;
    added->times = 1;
    link_form(redactor, redactor->count++);
  }
  return code;
}

static int32_t drop_form(const char *data, size_t size, uint32_t flags, void *userdata) {
  (void)flags;
  pattern *known = find_form(userdata, data, size);
  if (known != NULL) { /* always, but in a forked child, where all secrets are zeros */
    known->times--;
  }
  return MLOOM_OK;
}

static void remove_dropped(mloom_redactor *redactor) {
  uint32_t count = redactor->count;
  redactor->count = 0;
  memset(redactor->first, 0xFF, sizeof(redactor->first)); /* NO_PATTERN */
  memset(redactor->pairs, 0, sizeof(redactor->pairs));
  for (uint32_t i = 0; i < count; i++) {
    if (redactor->patterns[i].times == 0) {
      mloom_secret_unref(redactor->patterns[i].bytes);
    } else {
      redactor->patterns[redactor->count] = redactor->patterns[i];
      link_form(redactor, redactor->count++);
    }
  }
}

/* Of the older ones, those that nobody holds but this. */
static void forget(mloom_redactor *redactor) {
  size_t kept = 0;
  for (size_t i = 0; i < redactor->passing_count; i++) {
    const mloom_secret *secret = redactor->passing[i];
    mloom_bytes bytes = mloom_secret_bytes(secret);
    if (redactor->passing_count - i <= PASSING_KEPT || mloom_secret_is_shared(secret) ||
        mloom_forms_list(bytes.data, bytes.size, drop_form, redactor) != MLOOM_OK) { /* no memory: none was dropped */
      redactor->passing[kept++] = secret;
    } else {
      mloom_secret_unref(secret);
    }
  }
  redactor->passing_count = kept;
  remove_dropped(redactor);
}

static int is_passing(const mloom_redactor *redactor, const mloom_secret *secret) {
  for (size_t i = redactor->passing_count; i > 0; i--) {
    if (redactor->passing[i - 1] == secret) {
      return 1;
    }
  }
  return 0;
}

/* Room for one more, by forgetting or by growing. */
static int32_t make_room(mloom_redactor *redactor) {
  if (redactor->passing_count < redactor->passing_capacity) {
    return MLOOM_OK;
  }
  if (redactor->passing_count > 0) {
    forget(redactor);
  }
  /* Where most of them are held still, growing keeps this from being done for each new one. */
  size_t wanted = redactor->passing_count < PASSING_KEPT ? 2 * PASSING_KEPT : 2 * redactor->passing_count;
  if (wanted <= redactor->passing_capacity) {
    return MLOOM_OK;
  }
  const mloom_secret **grown = realloc(redactor->passing, wanted * sizeof(*grown));
  if (grown == NULL) {
    return MLOOM_E_MEMORY;
  }
  redactor->passing = grown;
  redactor->passing_capacity = wanted;
  return MLOOM_OK;
}

static int32_t add(mloom_redactor *redactor, const mloom_secret *secret, int is_lasting) {
  mloom_bytes bytes = mloom_secret_bytes(secret);
  pthread_rwlock_wrlock(&redactor->lock);
  int is_new = is_lasting || !is_passing(redactor, secret);
  int32_t code = is_lasting || !is_new ? MLOOM_OK : make_room(redactor);
  code = code == MLOOM_OK && is_new ? mloom_forms_list(bytes.data, bytes.size, add_form, redactor) : code;
  if (code == MLOOM_OK && is_new && !is_lasting) {
    redactor->passing[redactor->passing_count++] = mloom_secret_ref(secret);
  }
  int tell = !redactor->told_unlocked && !mloom_secret_is_locked(secret);
  redactor->told_unlocked |= tell;
  pthread_rwlock_unlock(&redactor->lock);
  if (tell) {
    mloom_log_write(redactor->log, MLOOM_LOG_WARNING, "secret",
                    "secrets cannot be locked in memory and may reach swap space; raise the limit of locked memory "
                    "(ulimit -l, LimitMEMLOCK=)");
  }
  return code;
}

int32_t mloom_redactor_add(mloom_redactor *redactor, const mloom_secret *secret) {
  return add(redactor, secret, 1);
}

int32_t mloom_redactor_add_passing(mloom_redactor *redactor, const mloom_secret *secret) {
  return add(redactor, secret, 0);
}

/* ---- Finding ---- */

static int is_word(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

static int is_base64(char c) {
  return is_word(c) || c == '-' || c == '+' || c == '/' || c == '=';
}

static char byte_before(const scan *in, size_t position) {
  return position == 0 ? in->before : in->data[position - 1];
}

static int match_pattern(const scan *in, size_t position, const pattern *form) {
  mloom_bytes bytes = mloom_secret_bytes(form->bytes);
  size_t left = in->size - position;
  size_t shared = left < bytes.size ? left : bytes.size;
  if (memcmp(in->data + position, bytes.data, shared) != 0) {
    return MLOOM_MATCH_NONE;
  }
  if (shared < bytes.size) {
    return in->final ? MLOOM_MATCH_NONE : MLOOM_MATCH_MORE;
  }
  if ((form->flags & MLOOM_FORM_WHOLE_WORD) == 0) {
    return MLOOM_MATCH_FOUND;
  }
  if (is_word(byte_before(in, position))) {
    return MLOOM_MATCH_NONE;
  }
  if (left == bytes.size) {
    return in->final ? MLOOM_MATCH_FOUND : MLOOM_MATCH_MORE;
  }
  return is_word(in->data[position + bytes.size]) ? MLOOM_MATCH_NONE : MLOOM_MATCH_FOUND;
}

/* The longest known secret at position. */
static int match_known(const scan *in, size_t position, finding *out) {
  int result = MLOOM_MATCH_NONE;
  *out = (finding){0, 0, 0};
  if (in->redactor == NULL) {
    return result;
  }
  if (in->size - position > 1) {
    uint32_t pair = pair_at(in->data + position);
    if ((in->redactor->pairs[pair / 8] >> pair % 8 & 1) == 0) {
      return result;
    }
  }
  const pattern *patterns = in->redactor->patterns;
  uint32_t next;
  for (uint32_t i = in->redactor->first[(unsigned char)in->data[position]]; i != NO_PATTERN; i = next) {
    next = patterns[i].next;
    int match = match_pattern(in, position, &patterns[i]);
    if (match == MLOOM_MATCH_MORE) {
      return match;
    }
    if (match == MLOOM_MATCH_FOUND) {
      size_t size = mloom_secret_bytes(patterns[i].bytes).size;
      result = match;
      out->size = size > out->size ? size : out->size;
      out->run |= (patterns[i].flags & MLOOM_FORM_RUN) != 0;
    }
  }
  return result;
}

/* Secrets may overlap: what begins inside a finding and ends after it belongs to it. */
static int extend(const scan *in, size_t position, finding *found) {
  size_t start = position + found->keep;
  for (size_t i = 1; i < found->size; i++) {
    finding inner;
    int match = match_known(in, start + i, &inner);
    if (match == MLOOM_MATCH_MORE) {
      return match;
    }
    if (match == MLOOM_MATCH_FOUND && i + inner.size > found->size) {
      found->size = i + inner.size;
      found->run |= inner.run;
    }
  }
  return MLOOM_MATCH_FOUND;
}

static int match_lookalike(const scan *in, size_t position, finding *out) {
  mloom_match found = {0, 0};
  int match = mloom_lookalike_match(in->data, in->size, position, byte_before(in, position), in->final, &found);
  *out = (finding){found.keep, found.size, 0};
  /* What a look-alike lets stand may hold a known secret, which goes first. */
  for (size_t i = 1; match == MLOOM_MATCH_FOUND && i < found.keep; i++) {
    finding known;
    int inner = match_known(in, position + i, &known);
    if (inner == MLOOM_MATCH_FOUND) {
      *out = (finding){i, known.size, known.run};
      return inner;
    }
    match = inner == MLOOM_MATCH_MORE ? inner : match;
  }
  return match;
}

static int match_at(const scan *in, size_t position, finding *out) {
  int match = match_known(in, position, out);
  if (match == MLOOM_MATCH_NONE && !in->known_only && mloom_lookalike_begins(in->data[position])) {
    match = match_lookalike(in, position, out);
  }
  return match == MLOOM_MATCH_FOUND ? extend(in, position, out) : match;
}

/* The first place at or after position where something was found, or may be; in->size when there is none. */
static size_t next_finding(const scan *in, size_t position, int *match, finding *out) {
  for (; position < in->size; position++) {
    *match = match_at(in, position, out);
    if (*match != MLOOM_MATCH_NONE) {
      return position;
    }
  }
  *match = MLOOM_MATCH_NONE;
  return position;
}

/* The character of a base64 text before a finding holds the secret's first bits. */
static void drop_shared_character(mloom_buffer *out, size_t floor) {
  if (out->size > floor && is_base64(out->data[out->size - 1]) && out->data[out->size - 1] != '=') {
    mloom_buffer_truncate(out, out->size - 1);
  }
}

/* Rewrites in to out. Returns how many bytes of in were dealt with in *used: all of them when in->final. *in_run tells
 * that base64 characters at the beginning of what follows belong to a secret. */
static int32_t rewrite(const scan *in, mloom_buffer *out, size_t *used, int *in_run) {
  size_t floor = out->size;
  size_t position = 0;
  int32_t code = MLOOM_OK;
  while (code == MLOOM_OK && position < in->size) {
    while (*in_run && position < in->size && is_base64(in->data[position])) {
      position++;
    }
    *in_run = *in_run && position == in->size;
    finding found = {0, 0, 0};
    int match;
    size_t next = next_finding(in, position, &match, &found);
    size_t kept = next - position + (match == MLOOM_MATCH_FOUND ? found.keep : 0);
    code = mloom_buffer_append(out, in->data + position, kept);
    position += kept;
    if (match == MLOOM_MATCH_MORE) {
      break;
    }
    if (match == MLOOM_MATCH_FOUND && code == MLOOM_OK) {
      if (found.run) {
        drop_shared_character(out, floor);
      }
      code = mloom_buffer_append_string(out, REPLACEMENT);
      position += found.size;
      *in_run = found.run;
    }
  }
  *used = position;
  return code;
}

/* ---- Whole texts ---- */

static int needs_rewriting(const scan *in) {
  finding found;
  int match;
  next_finding(in, 0, &match, &found);
  return match == MLOOM_MATCH_FOUND;
}

static void apply(mloom_redactor *redactor, mloom_buffer *text, int known_only) {
  if (text->size == 0) {
    return;
  }
  scan in = {redactor, text->data, text->size, '\n', 1, known_only};
  if (redactor != NULL) {
    pthread_rwlock_rdlock(&redactor->lock);
  }
  if (needs_rewriting(&in)) {
    mloom_buffer out = MLOOM_BUFFER_INIT;
    size_t used;
    int in_run = 0;
    if (rewrite(&in, &out, &used, &in_run) == MLOOM_OK) {
      mloom_secret_wipe(text->data, text->size);
      mloom_buffer_free(text);
      *text = out;
    } else {
      mloom_buffer_free(&out);
      mloom_buffer_truncate(text, 0);
    }
  }
  if (redactor != NULL) {
    pthread_rwlock_unlock(&redactor->lock);
  }
}

void mloom_redactor_apply(mloom_redactor *redactor, mloom_buffer *text) {
  apply(redactor, text, 0);
}

void mloom_redactor_apply_known(mloom_redactor *redactor, mloom_buffer *text) {
  apply(redactor, text, 1);
}

static void apply_field(mloom_redactor *redactor, char *field, size_t capacity) {
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer text = MLOOM_BUFFER_INIT;
  if (mloom_buffer_append_string(&text, field) != MLOOM_OK) {
    field[0] = '\0';
    return;
  }
  mloom_redactor_apply(redactor, &text);
  size_t size = text.size;
  if (size >= capacity) {
    size = mloom_text_complete_prefix(text.data, capacity - 1);
  }
  memcpy(field, mloom_buffer_string(&text), size);
  field[size] = '\0';
}

void mloom_redactor_apply_error(mloom_redactor *redactor, mloom_error *error) {
  if (error == NULL || error->size < sizeof(*error)) {
    return;
  }
  apply_field(redactor, error->message, sizeof(error->message));
  apply_field(redactor, error->remedy, sizeof(error->remedy));
  apply_field(redactor, error->request_id, sizeof(error->request_id));
}

/* ---- Streams ---- */

struct mloom_redactor_stream {
  mloom_redactor *redactor;
  mloom_buffer held;
  char before;
  int in_run;
};

int32_t mloom_redactor_stream_new(mloom_redactor_stream **out, mloom_redactor *redactor, mloom_error *error) {
  mloom_redactor_stream *stream = calloc(1, sizeof(*stream));
  *out = stream;
  if (stream == NULL) {
    return mloom_error_memory(error);
  }
  stream->redactor = redactor;
  stream->before = '\n';
  return MLOOM_OK;
}

void mloom_redactor_stream_free(mloom_redactor_stream *stream) {
  if (stream == NULL) {
    return;
  }
  mloom_secret_wipe(stream->held.data, stream->held.capacity);
  mloom_buffer_free(&stream->held);
  free(stream);
}

static int32_t advance(mloom_redactor_stream *stream, const char *data, size_t size, int final, mloom_buffer *out,
                       size_t *used) {
  scan in = {stream->redactor, data, size, stream->before, final, 0};
  if (stream->redactor != NULL) {
    pthread_rwlock_rdlock(&stream->redactor->lock);
  }
  int32_t code = rewrite(&in, out, used, &stream->in_run);
  if (stream->redactor != NULL) {
    pthread_rwlock_unlock(&stream->redactor->lock);
  }
  if (*used > 0) {
    stream->before = data[*used - 1];
  }
  return code;
}

int32_t mloom_redactor_stream_feed(mloom_redactor_stream *stream, const char *data, size_t size, mloom_buffer *out) {
  size_t used = 0;
  if (stream->held.size == 0) {
    int32_t code = advance(stream, data, size, 0, out, &used);
    return code == MLOOM_OK && used < size ? mloom_buffer_append(&stream->held, data + used, size - used) : code;
  }
  int32_t code = mloom_buffer_append(&stream->held, data, size);
  if (code == MLOOM_OK) {
    int too_long = stream->held.size > HOLD_LIMIT;
    code = advance(stream, stream->held.data, stream->held.size, too_long, out, &used);
    mloom_buffer_consume(&stream->held, used);
  }
  return code;
}

int32_t mloom_redactor_stream_finish(mloom_redactor_stream *stream, mloom_buffer *out) {
  size_t used = 0;
  int32_t code = MLOOM_OK;
  if (stream->held.size > 0) {
    code = advance(stream, stream->held.data, stream->held.size, 1, out, &used);
  }
  mloom_buffer_clear(&stream->held);
  stream->before = '\n';
  stream->in_run = 0;
  return code;
}
