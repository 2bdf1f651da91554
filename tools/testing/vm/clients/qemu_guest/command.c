// SPDX-License-Identifier: GPL-2.0-only
/*
 * The commands: a name and numbers, in hexadecimal.
 */
#include "guest.h"

#define MAX_NUMBERS	6

struct command {
	const char *name;
	int numbers;
	bool (*run)(const u64 *n);
};

static bool is(const char *a, const char *b)
{
	while (*a && *a == *b)
		a++, b++;
	return *a == *b;
}

/* Numbers after the name; the name's end is marked in the line. */
static int parse(char *line, u64 *numbers)
{
	int count = 0;

	for (; *line && *line != ' '; line++)
		;
	while (*line && count < MAX_NUMBERS) {
		u64 value = 0;

		*line++ = 0;
		for (; *line && *line != ' '; line++) {
			u32 digit = *line <= '9' ? *line - '0' : (*line | 32) - 'a' + 10;

			value = value << 4 | (digit & 15);
		}
		numbers[count++] = value;
	}
	return count;
}

/* The slots that have a device and what they are: slot, IDs, class. */
static bool list(const u64 *n)
{
	(void)n;
	for (u32 slot = 0; slot < SLOTS; slot++) {
		if (!pci_exists(slot))
			continue;
		console_hex(slot);
		console_hex(pci_read(slot, 0));
		console_hex(pci_read(slot, 8) >> 8);
	}
	return true;
}

static bool config(const u64 *n)
{
	console_hex(pci_read(n[0], n[1]));
	return true;
}

static bool set_config(const u64 *n)
{
	pci_write(n[0], n[1], n[2]);
	return true;
}

static bool peek(const u64 *n)
{
	console_hex(*mmio(n[0]));
	return true;
}

static bool poke(const u64 *n)
{
	*mmio(n[0]) = n[1];
	return true;
}

static bool port_in(const u64 *n)
{
	console_hex(inb(n[0]));
	return true;
}

static bool port_out(const u64 *n)
{
	outb(n[0], n[1]);
	return true;
}

static u32 crc_table[256];

static void make_crc_table(void)
{
	for (u32 i = 0; i < 256; i++) {
		u32 value = i;

		for (int bit = 0; bit < 8; bit++)
			value = value >> 1 ^ (value & 1 ? 0xedb88320 : 0);
		crc_table[i] = value;
	}
}

/* CRC-32 of memory, as zlib's; whole words, as memory of devices likes it. */
static bool crc(const u64 *n)
{
	volatile u32 *word = mmio(n[0]);
	u32 value = 0xffffffff;

	if (!crc_table[1])
		make_crc_table();
	for (u32 left = n[1] / 4; left; left--) {
		u32 data = *word++;

		for (int i = 0; i < 4; i++, data >>= 8)
			value = value >> 8 ^ crc_table[(value ^ data) & 0xff];
	}
	console_hex(~value);
	return true;
}

/* Words that count up from the third number. */
static bool fill(const u64 *n)
{
	volatile u32 *word = mmio(n[0]);

	for (u32 i = 0; i < n[1] / 4; i++)
		word[i] = n[2] + i;
	return true;
}

static bool start(const u64 *n)
{
	return nvme_start(n[0]);
}

static bool from_disk(const u64 *n)
{
	return nvme_transfer(n[0], false, n[1], n[2], n[3]);
}

static bool to_disk(const u64 *n)
{
	return nvme_transfer(n[0], true, n[1], n[2], n[3]);
}

static bool load(const u64 *n)
{
	return nvme_load(n[0], n[1]);
}

static bool loaded(const u64 *n)
{
	console_hex(nvme_loaded(n[0]));
	return true;
}

static bool flush(const u64 *n)
{
	(void)n;
	asm volatile("wbinvd" : : : "memory");
	return true;
}

static bool interrupted(const u64 *n)
{
	console_hex(interrupts[n[0] % SLOTS]);
	return true;
}

static const struct command commands[] = {
	{ "list", 0, list },
	{ "config", 2, config },
	{ "setconfig", 3, set_config },
	{ "peek", 1, peek },
	{ "poke", 2, poke },
	{ "in", 1, port_in },
	{ "out", 2, port_out },
	{ "crc", 2, crc },
	{ "fill", 3, fill },
	{ "start", 1, start },
	{ "read", 4, from_disk },
	{ "write", 4, to_disk },
	{ "load", 2, load },
	{ "loaded", 1, loaded },
	{ "interrupts", 1, interrupted },
	{ "flush", 0, flush },
};

/* The answer's values come before its verdict is known: it ends the line. */
void command_run(char *line)
{
	u64 numbers[MAX_NUMBERS];
	int count = parse(line, numbers);

	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		if (!is(line, commands[i].name))
			continue;
		console_text("=");
		if (count == commands[i].numbers && commands[i].run(numbers))
			console_text(" ok\n");
		else
			console_text(" error\n");
		return;
	}
	console_text("= unknown\n");
}
