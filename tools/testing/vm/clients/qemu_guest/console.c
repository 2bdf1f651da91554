// SPDX-License-Identifier: GPL-2.0-only
/*
 * Lines of text on the first serial port, polled.
 */
#include "guest.h"

#define PORT		0x3f8
#define LINE_STATUS	(PORT + 5)
#define HAS_BYTE	0x01
#define CAN_SEND	0x20

static char typed[128];
static size_t typed_length;

void console_init(void)
{
	outb(PORT + 1, 0);
	outb(PORT + 3, 3);
	outb(PORT + 2, 7);
	outb(PORT + 4, 3);
	typed_length = 0;
}

/* Take what has come in; true when that completes a line. */
bool console_line(char *line, size_t size)
{
	while (inb(LINE_STATUS) & HAS_BYTE) {
		char byte = inb(PORT);

		if (byte != '\n') {
			if (typed_length < sizeof(typed) - 1)
				typed[typed_length++] = byte;
			continue;
		}
		typed[typed_length] = 0;
		for (size_t i = 0; i <= typed_length && i < size; i++)
			line[i] = typed[i];
		typed_length = 0;
		return true;
	}
	return false;
}

void console_text(const char *text)
{
	for (; *text; text++) {
		while (!(inb(LINE_STATUS) & CAN_SEND))
			;
		outb(PORT, *text);
	}
}

void console_hex(u64 value)
{
	char text[20];
	char *at = text + sizeof(text) - 1;

	*at = 0;
	do {
		*--at = "0123456789abcdef"[value & 15];
		value >>= 4;
	} while (value);
	*--at = 'x';
	*--at = '0';
	*--at = ' ';
	console_text(at);
}
