// SPDX-License-Identifier: GPL-2.0-only
/*
 * PCI's configuration space through the ports 0xcf8 and 0xcfc, and MSI-X: one
 * vector for each device, whose number says the slot.
 */
#include "guest.h"

#define COMMAND		0x04
#define COMMAND_MEMORY	0x02
#define COMMAND_MASTER	0x04
#define STATUS_CAPS	(1u << 20)
#define FIRST_VECTOR	0x40
#define CAP_MSIX	0x11
#define MSIX_ENABLE	(1u << 31)
#define LOW_WINDOW	0xe0000000
#define MESSAGE_ADDRESS	0xfee00000

static void select(u32 slot, u32 offset)
{
	outl(0xcf8, 0x80000000u | slot << 11 | (offset & 0xfc));
}

u32 pci_read(u32 slot, u32 offset)
{
	select(slot, offset);
	return inl(0xcfc);
}

void pci_write(u32 slot, u32 offset, u32 value)
{
	select(slot, offset);
	outl(0xcfc, value);
}

bool pci_exists(u32 slot)
{
	return slot < SLOTS && pci_read(slot, 0) != 0xffffffff;
}

/*
 * In a guest with memory above 4 GiB the firmware puts 64-bit BARs there, where
 * a 32-bit kernel does not get.
 */
static void lower_bar(u32 slot, u32 number)
{
	u32 at = 0x10 + 4 * number;

	if ((pci_read(slot, at) & 7) != 4 || !pci_read(slot, at + 4))
		return;
	pci_write(slot, at, LOW_WINDOW + (slot << 24) + (number << 20));
	pci_write(slot, at + 4, 0);
}

u32 pci_bar(u32 slot, u32 number)
{
	u32 bar;

	lower_bar(slot, number);
	bar = pci_read(slot, 0x10 + 4 * number);
	return bar & 1 ? bar & ~3u : bar & ~15u;
}

u32 pci_find_capability(u32 slot, u8 id)
{
	u32 at, tries = 48;

	if (!(pci_read(slot, COMMAND) & STATUS_CAPS))
		return 0;
	for (at = pci_read(slot, 0x34) & 0xfc; at && tries--; ) {
		u32 head = pci_read(slot, at);

		if ((head & 0xff) == id)
			return at;
		at = head >> 8 & 0xfc;
	}
	return 0;
}

/* All of the device's causes go to vector 0 of its table. */
bool pci_enable_msix(u32 slot)
{
	u32 capability = pci_find_capability(slot, CAP_MSIX);
	volatile u32 *entry;
	u32 table;

	if (!capability)
		return false;
	table = pci_read(slot, capability + 4);
	entry = mmio(pci_bar(slot, table & 7) + (table & ~7u));
	pci_write(slot, capability, pci_read(slot, capability) | MSIX_ENABLE);
	entry[0] = MESSAGE_ADDRESS;
	entry[1] = 0;
	entry[2] = FIRST_VECTOR + slot;
	entry[3] = 0;
	return true;
}
