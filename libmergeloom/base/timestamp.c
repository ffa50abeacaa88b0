/* SPDX-License-Identifier: Apache-2.0 */
#include "base/timestamp.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

/* Reads exactly count digits; -1 when there are none. */
static int take_number(mloom_bytes *rest, size_t count) {
  int value = 0;
  if (rest->size < count) {
    return -1;
  }
  for (size_t i = 0; i < count; i++) {
    char c = rest->data[i];
    if (c < '0' || c > '9') {
      return -1;
    }
    value = value * 10 + (c - '0');
  }
  rest->data += count;
  rest->size -= count;
  return value;
}

static int take_one_of(mloom_bytes *rest, const char *characters) {
  if (rest->size == 0 || rest->data[0] == '\0' || strchr(characters, rest->data[0]) == NULL) {
    return 0;
  }
  int found = (unsigned char)rest->data[0];
  rest->data++;
  rest->size--;
  return found;
}

/* A number between two bounds, after one of the characters before it. */
static int take_part(mloom_bytes *rest, const char *before, size_t digits, int least, int most, int *out) {
  if (before != NULL && !take_one_of(rest, before)) {
    return 0;
  }
  *out = take_number(rest, digits);
  return *out >= least && *out <= most;
}

static int take_fraction(mloom_bytes *rest, int *milliseconds) {
  *milliseconds = 0;
  if (!take_one_of(rest, ".,")) {
    return 1;
  }
  int scale = 100;
  size_t digits = 0;
  for (; rest->size > 0 && rest->data[0] >= '0' && rest->data[0] <= '9'; digits++) {
    *milliseconds += (rest->data[0] - '0') * scale;
    scale /= 10;
    rest->data++;
    rest->size--;
  }
  return digits > 0;
}

static int take_offset(mloom_bytes *rest, int *minutes) {
  *minutes = 0;
  int sign = take_one_of(rest, "Zz+-");
  if (sign == 0 || sign == 'Z' || sign == 'z') {
    return 1;
  }
  int hour = 0;
  int minute = 0;
  if (!take_part(rest, NULL, 2, 0, 23, &hour)) {
    return 0;
  }
  (void)take_one_of(rest, ":");
  if (!take_part(rest, NULL, 2, 0, 59, &minute)) {
    return 0;
  }
  *minutes = (sign == '-' ? -1 : 1) * (hour * 60 + minute);
  return 1;
}

int32_t mloom_timestamp_parse(mloom_bytes text, int64_t *out_ms) {
  struct tm date = {0};
  int year = 0;
  int month = 0;
  int milliseconds = 0;
  int offset = 0;
  mloom_bytes rest = text;
  int whole = take_part(&rest, NULL, 4, 0, 9999, &year) && take_part(&rest, "-", 2, 1, 12, &month) &&
              take_part(&rest, "-", 2, 1, 31, &date.tm_mday) && take_part(&rest, "Tt ", 2, 0, 23, &date.tm_hour) &&
              take_part(&rest, ":", 2, 0, 59, &date.tm_min) && take_part(&rest, ":", 2, 0, 60, &date.tm_sec) &&
              take_fraction(&rest, &milliseconds) && take_offset(&rest, &offset) && rest.size == 0;
  if (!whole) {
    return MLOOM_E_INVALID;
  }
  date.tm_year = year - 1900;
  date.tm_mon = month - 1;
  /* timegm moves what is too large into the next month; a leap second may do so. */
  int leap = date.tm_sec == 60;
  int day = date.tm_mday;
  date.tm_sec -= leap;
  int64_t seconds = (int64_t)timegm(&date) + leap;
  if (date.tm_mday != day) {
    return MLOOM_E_INVALID; /* the month has no such day */
  }
  *out_ms = (seconds - (int64_t)offset * 60) * 1000 + milliseconds;
  return MLOOM_OK;
}

static int month_number(const char *name) {
  static const char names[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
  for (int i = 0; i < 12; i++) {
    if (strncmp(names + (ptrdiff_t)3 * i, name, 3) == 0) {
      return i;
    }
  }
  return -1;
}

int64_t mloom_timestamp_parse_http(const char *text, int64_t now_wall_ms) {
  char month[4] = "";
  struct tm date = {0};
  int year = 0;
  int end = 0;
  const char *comma = strchr(text, ',');
  if (comma != NULL &&
      sscanf(comma, ", %2d %3s %4d %2d:%2d:%2d GMT%n", &date.tm_mday, month, &year, &date.tm_hour, &date.tm_min,
             &date.tm_sec, &end) == 6 &&
      end > 0 && comma[end] == '\0') {
    date.tm_year = year - 1900;
  } else if (comma != NULL &&
             sscanf(comma, ", %2d-%3s-%2d %2d:%2d:%2d GMT%n", &date.tm_mday, month, &year, &date.tm_hour, &date.tm_min,
                    &date.tm_sec, &end) == 6 &&
             end > 0 && comma[end] == '\0') {
    time_t now = (time_t)(now_wall_ms / 1000);
    struct tm today;
    if (gmtime_r(&now, &today) == NULL) {
      return -1;
    }
    /* Two digits mean the past when they would be more than 50 years ahead. */
    int century = (today.tm_year + 1900) / 100 * 100;
    year += century;
    date.tm_year = (year > today.tm_year + 1900 + 50 ? year - 100 : year) - 1900;
  } else if (comma == NULL &&
             sscanf(text, "%*3s %3s %2d %2d:%2d:%2d %4d%n", month, &date.tm_mday, &date.tm_hour, &date.tm_min,
                    &date.tm_sec, &year, &end) == 6 &&
             end > 0 && text[end] == '\0') {
    date.tm_year = year - 1900;
  } else {
    return -1;
  }
  date.tm_mon = month_number(month);
  if (date.tm_mon < 0 || strlen(month) != 3 || date.tm_mday < 1 || date.tm_mday > 31 || date.tm_hour < 0 ||
      date.tm_hour > 23 || date.tm_min < 0 || date.tm_min > 59 || date.tm_sec < 0 || date.tm_sec > 60) {
    return -1;
  }
  /* sscanf takes a sign for a part of a number; no service dates from before 1970. */
  int64_t moment = (int64_t)timegm(&date) * 1000;
  return moment < 0 ? -1 : moment;
}
