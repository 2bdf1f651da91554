// SPDX-License-Identifier: GPL-2.0-only
/*
 * The ACPI hotplug of QEMU's machine "pc", by its registers: a device that is to go
 * is let go at once, whatever it does; one that came gets the BARs that the last
 * device of its slot had.  Either is told in a line of its own.
 */
#include "guest.h"

#define CAME		0xae00
#define TO_GO		0xae04
#define EJECT		0xae08
#define BUS		0xae10
#define BARS		6

static u32 bars[SLOTS][BARS];
static bool seen[SLOTS];

static void tell(const char *what, u32 slot)
{
	console_text(what);
	console_hex(slot);
	console_text("\n");
}

static void remember(u32 slot)
{
	for (u32 i = 0; i < BARS; i++)
		bars[slot][i] = pci_read(slot, 0x10 + 4 * i);
	seen[slot] = true;
}

static void restore(u32 slot)
{
	for (u32 i = 0; i < BARS; i++)
		pci_write(slot, 0x10 + 4 * i, bars[slot][i]);
}

static void let_go(u32 slot)
{
	remember(slot);
	outl(EJECT, 1u << slot);
	nvme_forget(slot);
	tell("removed", slot);
}

void hotplug_poll(void)
{
	u32 came, to_go;

	outl(BUS, 0);
	came = inl(CAME);
	to_go = inl(TO_GO);
	for (u32 slot = 0; slot < SLOTS; slot++) {
		if (to_go >> slot & 1)
			let_go(slot);
		if ((came >> slot & 1) && pci_exists(slot)) {
			if (seen[slot])
				restore(slot);
			tell("added", slot);
		}
	}
}
