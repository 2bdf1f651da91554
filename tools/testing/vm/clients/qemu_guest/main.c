// SPDX-License-Identifier: GPL-2.0-only
/*
 * The one loop: a command when one is there, and between commands what devices
 * and the machine want.
 */
#include "guest.h"

#define LOCAL_APIC	0xfee00000
#define APIC_SPURIOUS	(LOCAL_APIC + 0xf0)
#define APIC_ENABLED	0x1ff

static void mask_old_interrupts(void)
{
	outb(0x21, 0xff);
	outb(0xa1, 0xff);
}

/* gcc may call these even in a program without a library. */
void *memset(void *to, int value, size_t bytes)
{
	void *result = to;

	asm volatile("rep stosb" : "+D"(to), "+c"(bytes) : "a"(value) : "memory");
	return result;
}

void *memcpy(void *to, const void *from, size_t bytes)
{
	void *result = to;

	asm volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(bytes) : : "memory");
	return result;
}

void main(void)
{
	char line[128];

	mask_old_interrupts();
	*mmio(APIC_SPURIOUS) = APIC_ENABLED;
	asm volatile("sti");
	console_init();
	console_text("ready\n");
	for (;;) {
		if (console_line(line, sizeof(line)))
			command_run(line);
		nvme_poll();
		hotplug_poll();
	}
}
