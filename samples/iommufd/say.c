// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * What the demo prints. Three columns: a tick, a fact, and its value; details
 * have no tick. Plain ASCII, because it may go through a serial console.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "say.h"

#define COLUMNS		80
#define FACT_WIDTH	32
#define TICK		"  [ok] "
#define NO_TICK		"       "

static void say_line(const char *tick, const char *fact, const char *fmt, va_list args)
{
	printf("%s%-*s ", tick, FACT_WIDTH, fact);
	vprintf(fmt, args);
	putchar('\n');
	fflush(stdout);
}

/**
 * say_heading() - Begin a step
 * @number: of the step
 * @title: what it shows
 */
void say_heading(unsigned int number, const char *title)
{
	printf("\n%u. %s\n", number, title);
	fflush(stdout);
}

/**
 * say_ok() - Tell a fact that holds
 * @fact: what
 * @fmt: its value, as for printf()
 */
void say_ok(const char *fact, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	say_line(TICK, fact, fmt, args);
	va_end(args);
}

/**
 * say_detail() - Tell something that is no proof of anything
 * @name: what
 * @fmt: its value, as for printf()
 */
void say_detail(const char *name, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	say_line(NO_TICK, name, fmt, args);
	va_end(args);
}

/* How much of the text goes on a line of @width: up to its last space, if any. */
static size_t line_length(const char *text, size_t width)
{
	size_t length = strlen(text);
	size_t cut = width;

	if (length <= width)
		return length;
	while (cut && text[cut] != ' ')
		cut--;
	return cut ? cut : width;
}

/**
 * say_wrapped() - Tell a text of the kernel, on as many lines as it needs
 * @name: what it is
 * @text: any length
 */
void say_wrapped(const char *name, const char *text)
{
	int indent = sizeof(NO_TICK) + strlen(name);

	printf(NO_TICK "%s ", name);
	do {
		size_t length = line_length(text, COLUMNS - 1 - indent);

		printf("%.*s\n", (int)length, text);
		text += length;
		text += strspn(text, " ");
		if (*text)
			printf("%*s", indent, "");
	} while (*text);
	fflush(stdout);
}

static void fail_with(int rc, const char *fmt, va_list args)
{
	printf("\nFAILED: ");
	vprintf(fmt, args);
	if (rc)
		printf(": %s (%s)", strerror(-rc), strerrorname_np(-rc));
	printf(".\n");
	fflush(stdout);
	exit(EXIT_FAILURE);
}

/**
 * fail() - End the demo
 * @fmt: one sentence without its full stop
 */
void fail(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	fail_with(0, fmt, args);
	va_end(args);
	abort();
}

/**
 * must() - Go on after success, else end the demo
 * @rc: 0 or more for success, else a negative errno
 * @fmt: one sentence that says what failed, without its full stop
 */
void must(int rc, const char *fmt, ...)
{
	va_list args;

	if (rc >= 0)
		return;
	va_start(args, fmt);
	fail_with(rc, fmt, args);
	va_end(args);
}
