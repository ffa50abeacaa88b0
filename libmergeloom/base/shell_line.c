/* SPDX-License-Identifier: Apache-2.0 */
#include "base/shell_line.h"

#include <string.h>

#include "base/error.h"
#include "base/text.h"

#define HERE_LIMIT 4u

/* A here-document whose text begins after the line's end. */
typedef struct here_document {
  mloom_buffer end;
  int is_literal; /* nothing in it is expanded */
  int no_tabs;    /* tabs before the end do not count */
} here_document;

typedef struct scanner {
  const char *text;
  size_t size;
  size_t at;
  const char *const *names;
  mloom_buffer *reason;
  mloom_buffer word;    /* the last one that was read, without its quotes */
  int word_expands;     /* bash makes something else of it */
  int word_is_quoted;   /* at least in part */
  mloom_buffer program; /* of the command that is being read; empty: none yet */
  uint32_t arguments;   /* that it has so far */
  here_document here[HERE_LIMIT];
  size_t here_count;
} scanner;

static void free_scanner(scanner *self) {
  mloom_buffer_free(&self->word);
  mloom_buffer_free(&self->program);
  for (size_t i = 0; i < HERE_LIMIT; i++) {
    mloom_buffer_free(&self->here[i].end);
  }
}

static int32_t deny(const scanner *self, const char *why) {
  return mloom_buffer_append_string(self->reason, why) == MLOOM_OK ? MLOOM_E_DENIED : MLOOM_E_MEMORY;
}

static int peek(const scanner *self, size_t ahead) {
  return self->at + ahead < self->size ? (unsigned char)self->text[self->at + ahead] : -1;
}

static int ends_word(int c) {
  return c < 0 || strchr(" \t\n|&;()<>", c) != NULL;
}

/* ---- Words ---- */

static const char substitution[] = "a command may not contain `...`, $(...), ${...}, $[...], $'...' or $\"...\": write "
                                   "plain words, and run commands one "
                                   "by one";

/* At '$': nothing that runs or computes something may follow. */
static int is_plain_variable(int next, int in_quotes) {
  return next < 0 || (strchr("({[", next) == NULL && (in_quotes || (next != '\'' && next != '"')));
}

static int32_t read_double_quotes(scanner *self) {
  for (self->at++; peek(self, 0) >= 0; self->at++) {
    int c = peek(self, 0);
    if (c == '"') {
      self->at++;
      return MLOOM_OK;
    }
    if (c == '`' || (c == '$' && !is_plain_variable(peek(self, 1), 1))) {
      return deny(self, substitution);
    }
    if (c == '\\' && peek(self, 1) >= 0 && strchr("$`\"\\\n", peek(self, 1)) != NULL) {
      self->at++;
      if (peek(self, 0) == '\n') {
        continue;
      }
    } else {
      self->word_expands |= c == '$';
    }
    if (mloom_buffer_append_char(&self->word, (char)peek(self, 0)) != MLOOM_OK) {
      return MLOOM_E_MEMORY;
    }
  }
  return deny(self, "a quote is not closed");
}

static int32_t read_single_quotes(scanner *self) {
  const char *begin = self->text + self->at + 1;
  const char *end = memchr(begin, '\'', self->size - self->at - 1);
  if (end == NULL) {
    return deny(self, "a quote is not closed");
  }
  self->at += (size_t)(end - begin) + 2;
  return mloom_buffer_append(&self->word, begin, (size_t)(end - begin));
}

/* One character outside of quotes. */
static int32_t read_plain(scanner *self) {
  int c = peek(self, 0);
  if (c == '`' || (c == '$' && !is_plain_variable(peek(self, 1), 0))) {
    return deny(self, substitution);
  }
  if (c == '\\') {
    self->word_is_quoted = 1;
    self->at++;
    c = peek(self, 0);
    if (c < 0 || c == '\n') {
      self->at += c >= 0;
      return MLOOM_OK;
    }
  } else {
    self->word_expands |= strchr("$*?[]{}~", c) != NULL;
  }
  self->at++;
  return mloom_buffer_append_char(&self->word, (char)c);
}

static int32_t read_word(scanner *self) {
  int32_t code = MLOOM_OK;
  mloom_buffer_clear(&self->word);
  self->word_expands = 0;
  self->word_is_quoted = 0;
  while (code == MLOOM_OK && !ends_word(peek(self, 0))) {
    int c = peek(self, 0);
    if (c == '\'' || c == '"') {
      self->word_is_quoted = 1;
      code = c == '"' ? read_double_quotes(self) : read_single_quotes(self);
    } else {
      code = read_plain(self);
    }
  }
  return code;
}

static mloom_bytes word_of(const scanner *self) {
  return (mloom_bytes){mloom_buffer_string(&self->word), self->word.size};
}

/* ---- Programs ---- */

static int is_in(const char *const *names, const char *name) {
  for (size_t i = 0; names[i] != NULL; i++) {
    if (strcmp(names[i], name) == 0) {
      return 1;
    }
  }
  return 0;
}

/* What shows files and texts, or does nothing; those below apply_patch are looked at more closely. apply_patch is no
 * program but the way in which codex edits files. */
static const char *const readers[] = {"cat",      "cd",    "cut",  "diff", "dirname",     "basename", "echo",   "egrep",
                                      "false",    "fgrep", "grep", "head", "ls",          "nl",       "pwd",    "tail",
                                      "realpath", "stat",  "tr",   "true", "apply_patch", "uniq",     "which",  "wc",
                                      "find",     "rg",    "sed",  "sort", "test",        "[",        "printf", NULL};

/* Those that could run something else or write by an argument of theirs, when they are not on the list themselves. */
static int32_t judge_reader(const scanner *self) {
  const char *program = mloom_buffer_string(&self->program);
  const char *word = mloom_buffer_string(&self->word);
  static const struct {
    const char *program;
    const char *option; /* arguments that begin like this */
  } refused[] = {{"find", "-exec"}, {"find", "-ok"},      {"find", "-delete"}, {"find", "-fprint"}, {"find", "-fls"},
                 {"rg", "--pre"},   {"rg", "--hostname"}, {"sort", "--co"},    {"sort", "-o"},      {"sort", "--o"},
                 {"test", "-v"},    {"test", "-R"},       {"[", "-v"},         {"[", "-R"},         {"printf", "-v"}};
  int is_special = strcmp(program, "sed") == 0;
  for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
    if (strcmp(program, refused[i].program) == 0) {
      is_special = 1;
      if (strncmp(word, refused[i].option, strlen(refused[i].option)) == 0) {
        return MLOOM_E_DENIED;
      }
    }
  }
  /* Nor may an argument become such a one only when bash has expanded it. */
  if (is_special && self->word_expands && (strpbrk(word, "${") != NULL || strchr("*?[~-", word[0]) != NULL)) {
    return MLOOM_E_DENIED;
  }
  /* sed shows lines: "sed -n 10,20p file". Its other commands can run programs. */
  if (strcmp(program, "sed") == 0 && strcmp(word, "-n") != 0 &&
      (word[0] == '-' || (self->arguments == 0 && word[strspn(word, "0123456789,$p; ")] != '\0'))) {
    return MLOOM_E_DENIED;
  }
  return MLOOM_OK;
}

static int32_t append_names(mloom_buffer *out, const char *const *names) {
  int32_t code = MLOOM_OK;
  for (size_t i = 0; names[i] != NULL && code == MLOOM_OK; i++) {
    code = mloom_buffer_append_format(out, "%s%s", i == 0 ? "" : ", ", names[i]);
  }
  return code;
}

static int32_t deny_program(const scanner *self, const char *what) {
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer shown = MLOOM_BUFFER_INIT;
  mloom_bytes word = word_of(self);
  size_t size = word.size > 60 ? mloom_text_complete_prefix(word.data, 60) : word.size;
  if (mloom_text_append_printable(&shown, word.data, size, 0) != MLOOM_OK ||
      mloom_buffer_append_format(self->reason, "%s%s%s; allowed are ", what, shown.size == 0 ? "" : ": ",
                                 mloom_buffer_string(&shown)) != MLOOM_OK ||
      append_names(self->reason, self->names) != MLOOM_OK ||
      mloom_buffer_append_string(self->reason, ", and programs that only show files (cat, ls, grep, sed -n 10,20p)") !=
          MLOOM_OK) {
    return MLOOM_E_MEMORY;
  }
  return MLOOM_E_DENIED;
}

/* A name, perhaps with one of the folders in which commands are looked up. */
static const char *base_name(const char *word) {
  static const char *const folders[] = {"/usr/local/bin/", "/usr/bin/", "/bin/"};
  for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++) {
    if (strncmp(word, folders[i], strlen(folders[i])) == 0) {
      word += strlen(folders[i]);
      break;
    }
  }
  return word;
}

static int32_t take_program(scanner *self) {
  static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._+-";
  const char *name = base_name(mloom_buffer_string(&self->word));
  int is_test = strcmp(name, "[") == 0;
  if (!is_test && (self->word_expands || name[0] == '\0' || name[strspn(name, plain)] != '\0' ||
                   memchr(self->word.data, '\0', self->word.size) != NULL)) {
    return deny_program(self, "a command has to begin with the plain name of a program");
  }
  if (!is_in(self->names, name) && !is_in(readers, name)) {
    return deny_program(self, "not on the worker's list of commands");
  }
  self->arguments = 0;
  mloom_buffer_clear(&self->program);
  return mloom_buffer_append_string(&self->program, name);
}

/* NAME= or NAME+= at the beginning of the word at which the scanner stands; its size without the sign, or 0. */
static size_t assignment_size(const scanner *self) {
  size_t size = 0;
  for (int c = peek(self, 0);
       (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (size > 0 && c >= '0' && c <= '9');
       c = peek(self, size)) {
    size++;
  }
  int is_sum = peek(self, size) == '+' && peek(self, size + 1) == '=';
  return size > 0 && (is_sum || peek(self, size) == '=') ? size : 0;
}

/* Variables by which bash or the loader would run something else than what is written. */
static int is_harmful_variable(const char *name, size_t size) {
  static const char *const names[] = {"PATH", "ENV", "IFS"};
  static const char *const beginnings[] = {"BASH", "LD_", "SHELL", "PS", "PROMPT"};
  for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
    if (size == strlen(names[i]) && memcmp(name, names[i], size) == 0) {
      return 1;
    }
  }
  for (size_t i = 0; i < sizeof(beginnings) / sizeof(beginnings[0]); i++) {
    size_t length = strlen(beginnings[i]);
    if (size >= length && memcmp(name, beginnings[i], length) == 0) {
      return 1;
    }
  }
  return 0;
}

static int32_t take_word(scanner *self) {
  size_t assigned = self->program.size == 0 ? assignment_size(self) : 0;
  const char *name = self->text + self->at;
  int32_t code = read_word(self);
  if (code != MLOOM_OK) {
    return code;
  }
  if (assigned > 0) {
    return is_harmful_variable(name, assigned) ? deny(self, "a command may not set PATH and variables like it")
                                               : MLOOM_OK;
  }
  if (self->program.size == 0) {
    return take_program(self);
  }
  const char *program = mloom_buffer_string(&self->program);
  code = is_in(self->names, program) ? MLOOM_OK : judge_reader(self);
  self->arguments += strcmp(mloom_buffer_string(&self->word), "-n") != 0;
  return code == MLOOM_E_DENIED ? deny_program(self, "used in this way it is not on the worker's list of commands")
                                : code;
}

/* ---- Redirections ---- */

static int32_t add_here_document(scanner *self, int no_tabs) {
  if (self->here_count == HERE_LIMIT) {
    return deny(self, "too many here-documents");
  }
  here_document *document = &self->here[self->here_count++];
  document->is_literal = self->word_is_quoted;
  document->no_tabs = no_tabs;
  mloom_buffer_clear(&document->end);
  return mloom_buffer_append(&document->end, mloom_buffer_string(&self->word), self->word.size);
}

static void skip_blanks(scanner *self) {
  while (peek(self, 0) == ' ' || peek(self, 0) == '\t' || (peek(self, 0) == '\\' && peek(self, 1) == '\n')) {
    self->at += peek(self, 0) == '\\' ? 2 : 1;
  }
}

/* At '<', '>' or "&>". */
static int32_t take_redirection(scanner *self) {
  static const char *const operators[] = {"<<<", "<<-", "&>>", "<<", "<&", "<>", ">>", ">&", ">|", "&>", "<", ">"};
  size_t i = 0;
  while (self->size - self->at < strlen(operators[i]) ||
         memcmp(self->text + self->at, operators[i], strlen(operators[i])) != 0) {
    i++;
  }
  self->at += strlen(operators[i]);
  if (peek(self, 0) == '(') {
    return deny(self, substitution);
  }
  skip_blanks(self);
  if (ends_word(peek(self, 0))) {
    return deny(self, "a redirection has no file");
  }
  int32_t code = read_word(self);
  if (code != MLOOM_OK || strncmp(operators[i], "<<", 2) != 0 || strcmp(operators[i], "<<<") == 0) {
    return code;
  }
  return add_here_document(self, operators[i][2] == '-');
}

static int32_t check_here_line(const scanner *self, const here_document *document, mloom_bytes line) {
  if (document->is_literal) {
    return MLOOM_OK;
  }
  /* A line that goes on in the next could make the end look like none. */
  if (line.size > 0 && line.data[line.size - 1] == '\\') {
    return deny(self, "a here-document with a backslash at the end of a line needs quotes around its end word");
  }
  for (size_t i = 0; i < line.size; i++) {
    if (line.data[i] == '\\') {
      i++;
    } else if (line.data[i] == '`' || (line.data[i] == '$' && i + 1 < line.size && strchr("({[", line.data[i + 1]))) {
      return deny(self, substitution);
    }
  }
  return MLOOM_OK;
}

/* At the beginning of a line: up to behind the end of the document, or of the text. */
static int32_t skip_here_document(scanner *self, const here_document *document) {
  while (self->at < self->size) {
    const char *begin = self->text + self->at;
    const char *end = memchr(begin, '\n', self->size - self->at);
    size_t size = end == NULL ? self->size - self->at : (size_t)(end - begin);
    self->at += size + (end != NULL);
    mloom_bytes line = {begin, size};
    while (document->no_tabs && line.size > 0 && line.data[0] == '\t') {
      line.data++;
      line.size--;
    }
    if (line.size == document->end.size && memcmp(line.data, mloom_buffer_string(&document->end), line.size) == 0) {
      return MLOOM_OK;
    }
    int32_t code = check_here_line(self, document, line);
    if (code != MLOOM_OK) {
      return code;
    }
  }
  return MLOOM_OK;
}

/* ---- Lines ---- */

static int32_t end_line(scanner *self) {
  int32_t code = MLOOM_OK;
  self->at++;
  for (size_t i = 0; i < self->here_count && code == MLOOM_OK; i++) {
    code = skip_here_document(self, &self->here[i]);
  }
  self->here_count = 0;
  return code;
}

static int is_number_of_redirection(const scanner *self) {
  size_t size = 0;
  while (peek(self, size) >= '0' && peek(self, size) <= '9') {
    size++;
  }
  return size > 0 && (peek(self, size) == '<' || peek(self, size) == '>');
}

/* One operator, redirection, comment or word. */
static int32_t take_token(scanner *self) {
  int c = peek(self, 0);
  int next = peek(self, 1);
  if (c == '<' || c == '>' || (c == '&' && next == '>')) {
    return take_redirection(self);
  }
  if (c == '#') {
    while (peek(self, 0) >= 0 && peek(self, 0) != '\n') {
      self->at++;
    }
    return MLOOM_OK;
  }
  if (c == '\n' || c == ';' || c == '|' || (c == '&' && next == '&')) {
    mloom_buffer_clear(&self->program);
    self->at += (c == '|' && (next == '|' || next == '&')) || c == '&';
    if (c == '\n') {
      return end_line(self);
    }
    self->at++;
    return MLOOM_OK;
  }
  if (c == '&') {
    return deny(self, "a command may not go on in the background");
  }
  if (c == '(' || c == ')') {
    return deny(self, "a command may not contain parentheses outside of quotes: run commands one by one");
  }
  if (is_number_of_redirection(self)) {
    while (peek(self, 0) >= '0' && peek(self, 0) <= '9') {
      self->at++;
    }
    return MLOOM_OK;
  }
  return take_word(self);
}

int32_t mloom_shell_line_judge(mloom_bytes line, const char *const *names, mloom_buffer *reason) {
  MLOOM_AUTO(free_scanner)
  scanner self = {.text = line.data == NULL ? "" : line.data, .size = line.size, .names = names, .reason = reason};
  int32_t code = memchr(self.text, '\0', self.size) == NULL ? MLOOM_OK : deny(&self, "a command has a zero byte in it");
  while (code == MLOOM_OK) {
    skip_blanks(&self);
    if (self.at >= self.size) {
      break;
    }
    code = take_token(&self);
  }
  return code;
}

int32_t mloom_shell_line_judge_started(mloom_bytes text, const char *const *names, mloom_buffer *reason) {
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer ignored = MLOOM_BUFFER_INIT;
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer first = MLOOM_BUFFER_INIT;
  MLOOM_AUTO(free_scanner)
  scanner self = {.text = text.data == NULL ? "" : text.data, .size = text.size, .names = names, .reason = &ignored};
  uint32_t count = 0;
  int is_shell = 0;
  for (skip_blanks(&self); self.at < self.size; skip_blanks(&self)) {
    size_t before = self.at;
    int32_t code = read_word(&self);
    if (code != MLOOM_OK || self.at == before) {
      return code == MLOOM_E_MEMORY ? code : MLOOM_E_INVALID;
    }
    const char *word = mloom_buffer_string(&self.word);
    is_shell |= count == 1 && (strcmp(word, "-c") == 0 || strcmp(word, "-lc") == 0);
    if (count == 2 && is_shell) {
      return mloom_shell_line_judge(word_of(&self), names, reason);
    }
    if (count == 0 && mloom_buffer_append(&first, word, self.word.size) != MLOOM_OK) {
      return MLOOM_E_MEMORY;
    }
    count++;
  }
  if (count == 0) {
    return MLOOM_E_INVALID;
  }
  self.reason = reason;
  self.word_expands = 0;
  mloom_buffer_clear(&self.word);
  int32_t code = mloom_buffer_append(&self.word, mloom_buffer_string(&first), first.size);
  return code == MLOOM_OK ? take_program(&self) : code;
}
