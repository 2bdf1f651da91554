/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * What the demo prints: headings, ticked facts, details; 80 columns.
 */
#ifndef SAY_H
#define SAY_H

void say_heading(unsigned int number, const char *title);
[[gnu::format(printf, 2, 3)]]
void say_ok(const char *fact, const char *fmt, ...);
[[gnu::format(printf, 2, 3)]]
void say_detail(const char *name, const char *fmt, ...);
void say_wrapped(const char *name, const char *text);
[[gnu::noreturn, gnu::format(printf, 1, 2)]]
void fail(const char *fmt, ...);

/* Go on after success, else end the demo with the sentence and the error's name. */
[[gnu::format(printf, 2, 3)]]
void must(int rc, const char *fmt, ...);

#endif
