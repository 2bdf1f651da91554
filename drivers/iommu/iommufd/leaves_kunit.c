// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * The short cut to the leaves of a generic page table: the tables that it makes are those
 * that the IOMMU core makes, entry by entry, for each format; and what it may not do it
 * leaves alone.
 */
#include <kunit/device.h>
#include <kunit/test.h>
#include <linux/generic_pt/iommu.h>
#include <linux/io.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/prandom.h>

#include "domain_sync.h"

#define RANGE_PAGES	2048UL	/* a few tables */
#define BASE		(0x40000000UL - 700 * PAGE_SIZE)
#define MAX_ADDRESS_LG2	46

/* Elsewhere the device of an incoherent table has to be a real one. */
#define INCOHERENT	(IS_ENABLED(CONFIG_X86) ? BIT(PT_FEAT_DMA_INCOHERENT) : 0)

/* One table of any of the formats. */
union any_table {
	struct pt_iommu iommu;
	struct pt_iommu_amdv1 amdv1;
	struct pt_iommu_vtdss vtdss;
	struct pt_iommu_x86_64 x86_64;
};

static DEFINE_SPINLOCK(top_lock);

static void change_top(struct pt_iommu *pt, phys_addr_t top, unsigned int level)
{
}

static spinlock_t *get_top_lock(struct pt_iommu *pt)
{
	return &top_lock;
}

static const struct pt_iommu_driver_ops driver_ops = {
	.change_top = change_top,
	.get_top_lock = get_top_lock,
};

static int init_vtdss_levels(union any_table *table, unsigned int nlevels)
{
	static const struct iommu_domain_ops ops = { IOMMU_PT_DOMAIN_OPS(vtdss) };
	const struct pt_iommu_vtdss_cfg cfg = {
		.common.features = BIT(PT_FEAT_FLUSH_RANGE) |
				   BIT(PT_FEAT_VTDSS_FORCE_COHERENCE) |
				   INCOHERENT,
		.common.hw_max_vasz_lg2 = PAGE_SHIFT + 9 * nlevels,
		.common.hw_max_oasz_lg2 = MAX_ADDRESS_LG2,
		.top_level = nlevels - 1,
	};

	table->iommu.domain.ops = &ops;
	return pt_iommu_vtdss_init(&table->vtdss, &cfg, GFP_KERNEL);
}

static int init_vtdss(union any_table *table)
{
	return init_vtdss_levels(table, 4);
}

static int init_vtdss_3(union any_table *table)
{
	return init_vtdss_levels(table, 3);
}

static int init_vtdss_5(union any_table *table)
{
	return init_vtdss_levels(table, 5);
}

static int init_x86_64(union any_table *table)
{
	static const struct iommu_domain_ops ops = { IOMMU_PT_DOMAIN_OPS(x86_64) };
	const struct pt_iommu_x86_64_cfg cfg = {
		.common.features = BIT(PT_FEAT_SIGN_EXTEND) |
				   BIT(PT_FEAT_FLUSH_RANGE_NO_GAPS),
		.common.hw_max_vasz_lg2 = 48,
		.common.hw_max_oasz_lg2 = MAX_ADDRESS_LG2,
		.top_level = 3,
	};

	table->iommu.domain.ops = &ops;
	return pt_iommu_x86_64_init(&table->x86_64, &cfg, GFP_KERNEL);
}

static int init_amdv1(union any_table *table)
{
	static const struct iommu_domain_ops ops = { IOMMU_PT_DOMAIN_OPS(amdv1) };
	const struct pt_iommu_amdv1_cfg cfg = {
		.common.features = BIT(PT_FEAT_DYNAMIC_TOP) |
				   BIT(PT_FEAT_AMDV1_ENCRYPT_TABLES) |
				   BIT(PT_FEAT_AMDV1_FORCE_COHERENCE) |
				   BIT(PT_FEAT_FLUSH_RANGE),
		.common.hw_max_vasz_lg2 = 64,
		.common.hw_max_oasz_lg2 = MAX_ADDRESS_LG2,
		.starting_level = 2,
	};

	table->iommu.domain.ops = &ops;
	return pt_iommu_amdv1_init(&table->amdv1, &cfg, GFP_KERNEL);
}

struct format {
	const char *name;
	int (*init)(union any_table *table);
	/* of a union any_table */
	size_t common;
	/* Where the part begins whose addresses are used. */
	unsigned long part;
};

static const struct format formats[] = {
	{ "vtdss", init_vtdss, offsetof(union any_table, vtdss.vtdss_pt.common) },
	{ "vtdss-3", init_vtdss_3, offsetof(union any_table, vtdss.vtdss_pt.common) },
	{ "vtdss-5", init_vtdss_5, offsetof(union any_table, vtdss.vtdss_pt.common) },
	{ "x86_64", init_x86_64, offsetof(union any_table, x86_64.x86_64_pt.common) },
	{ "x86_64-upper", init_x86_64,
	  offsetof(union any_table, x86_64.x86_64_pt.common), GENMASK(63, 47) },
	{ "amdv1", init_amdv1, offsetof(union any_table, amdv1.amdpt.common) },
	{ "amdv1-6", init_amdv1, offsetof(union any_table, amdv1.amdpt.common), BIT(57) },
};

KUNIT_ARRAY_PARAM_DESC(formats, formats, name);

/* Two tables: the core alone fills @plain, the short cut may help with @quick. */
struct rig {
	struct kunit *test;
	const struct format *format;
	union any_table plain;
	union any_table quick;
	struct rnd_state rnd;
	unsigned long pfns[RANGE_PAGES];
	bool mapped[RANGE_PAGES];
};

static int rig_init(struct kunit *test)
{
	struct rig *rig = kunit_kzalloc(test, sizeof(*rig), GFP_KERNEL);
	struct device *dev = kunit_device_register(test, "iommufd-leaves");

	KUNIT_ASSERT_NOT_NULL(test, rig);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, dev);
	rig->test = test;
	rig->plain.iommu.iommu_device = dev;
	rig->quick.iommu.iommu_device = dev;
	rig->plain.iommu.driver_ops = &driver_ops;
	rig->quick.iommu.driver_ops = &driver_ops;
	rig->plain.iommu.nid = NUMA_NO_NODE;
	rig->quick.iommu.nid = NUMA_NO_NODE;
	prandom_seed_state(&rig->rnd, 20261121);
	test->priv = rig;
	return 0;
}

static void rig_exit(struct kunit *test)
{
	struct rig *rig = test->priv;

	if (!rig)
		return;
	pt_iommu_deinit(&rig->plain.iommu);
	pt_iommu_deinit(&rig->quick.iommu);
}

static struct rig *rig_start(struct kunit *test)
{
	struct rig *rig = test->priv;

	rig->format = test->param_value;
	KUNIT_ASSERT_EQ(test, rig->format->init(&rig->plain), 0);
	KUNIT_ASSERT_EQ(test, rig->format->init(&rig->quick), 0);
	return rig;
}

static unsigned long below(struct rig *rig, unsigned long limit)
{
	return prandom_u32_state(&rig->rnd) % limit;
}

static unsigned long any_pfn(struct rig *rig)
{
	return prandom_u32_state(&rig->rnd) & (BIT(MAX_ADDRESS_LG2 - PAGE_SHIFT - 1) - 1);
}

static unsigned long iova_of(const struct rig *rig, unsigned long page)
{
	return rig->format->part + BASE + page * PAGE_SIZE;
}

/* Tables of equal shape, their leaves and the flags of their entries are equal. */
static bool same_table(const u64 *a, const u64 *b, unsigned int level)
{
	const u64 address = GENMASK_ULL(51, 12);
	unsigned int i;

	for (i = 0; i < PAGE_SIZE / sizeof(*a); i++) {
		if (!level || !a[i] || !b[i]) {
			if (a[i] != b[i])
				return false;
			continue;
		}
		if ((a[i] ^ b[i]) & ~address ||
		    !same_table(__va(a[i] & address), __va(b[i] & address), level - 1))
			return false;
	}
	return true;
}

static const u64 *top_of(struct rig *rig, union any_table *table, unsigned int *level)
{
	struct pt_common *common = (void *)table + rig->format->common;

	*level = common->top_of_table & PT_TOP_LEVEL_MASK;
	return (u64 *)(common->top_of_table & ~(uintptr_t)PT_TOP_LEVEL_MASK);
}

static void compare(struct rig *rig)
{
	unsigned int level_a, level_b;
	const u64 *a = top_of(rig, &rig->plain, &level_a);
	const u64 *b = top_of(rig, &rig->quick, &level_b);

	KUNIT_ASSERT_EQ(rig->test, level_a, level_b);
	KUNIT_EXPECT_TRUE(rig->test, same_table(a, b, level_a));
}

static void map_plainly(struct rig *rig, unsigned long page, unsigned long npages, int prot)
{
	unsigned long i;

	for (i = page; i < page + npages; i++)
		KUNIT_ASSERT_EQ(rig->test, 0,
				iommu_map(&rig->plain.iommu.domain, iova_of(rig, i),
					  PFN_PHYS(rig->pfns[i]), PAGE_SIZE, prot,
					  GFP_KERNEL));
}

static void map_quickly(struct rig *rig, unsigned long page, unsigned long npages, int prot)
{
	unsigned long mapped;

	KUNIT_ASSERT_EQ(rig->test, 0,
			iommufd_domain_map_pages(&rig->quick.iommu.domain, iova_of(rig, page),
						 rig->pfns + page, npages, prot,
						 GFP_KERNEL, &mapped));
	KUNIT_EXPECT_EQ(rig->test, mapped, npages);
}

static void unmap_plainly(struct rig *rig, unsigned long page, unsigned long npages)
{
	KUNIT_ASSERT_EQ(rig->test, npages * PAGE_SIZE,
			iommu_unmap(&rig->plain.iommu.domain, iova_of(rig, page),
				    npages * PAGE_SIZE));
}

static void unmap_quickly(struct rig *rig, unsigned long page, unsigned long npages)
{
	struct iommu_domain *domain = &rig->quick.iommu.domain;
	unsigned long last = iova_of(rig, page + npages) - 1;
	struct iommu_iotlb_gather gather;

	iommu_iotlb_gather_init(&gather);
	KUNIT_ASSERT_EQ(rig->test, npages * PAGE_SIZE,
			iommufd_domain_unmap(domain, iova_of(rig, page), npages * PAGE_SIZE,
					     &gather));
	/* All of it is going to be flushed. */
	KUNIT_EXPECT_LE(rig->test, gather.start, iova_of(rig, page));
	KUNIT_EXPECT_GE(rig->test, gather.end, last);
	iommu_iotlb_sync(domain, &gather);
}

/* Pages in the same state as @page, which may be none that follows it. */
static unsigned long alike(struct rig *rig, unsigned long page)
{
	unsigned long most = min(RANGE_PAGES - page, 1 + below(rig, below(rig, 4) ? 40 : 1500));
	unsigned long n = 1;

	while (n < most && rig->mapped[page + n] == rig->mapped[page])
		n++;
	return n;
}

static int any_prot(struct rig *rig)
{
	static const int prots[] = {
		IOMMU_READ, IOMMU_READ | IOMMU_WRITE,
		IOMMU_READ | IOMMU_WRITE | IOMMU_CACHE,
	};

	return prots[below(rig, ARRAY_SIZE(prots))];
}

/* Maps and unmaps at random, over the borders of tables and of whole tables. */
static void random_test(struct kunit *test)
{
	struct rig *rig = rig_start(test);
	unsigned int round;

	for (round = 0; round < 400; round++) {
		unsigned long page = below(rig, RANGE_PAGES), n = alike(rig, page), i;
		int prot = any_prot(rig);

		if (rig->mapped[page]) {
			unmap_plainly(rig, page, n);
			unmap_quickly(rig, page, n);
		} else {
			for (i = page; i < page + n; i++)
				rig->pfns[i] = any_pfn(rig);
			map_plainly(rig, page, n, prot);
			map_quickly(rig, page, n, prot);
		}
		for (i = page; i < page + n; i++)
			rig->mapped[i] = !rig->mapped[i];
		compare(rig);
	}
}

/* A page that is mapped already is not overwritten, and those before it are told of. */
static void occupied_test(struct kunit *test)
{
	struct rig *rig = rig_start(test);
	struct iommu_domain *domain = &rig->quick.iommu.domain;
	unsigned long mapped;

	rig->pfns[5] = 0x12345;
	map_quickly(rig, 5, 1, IOMMU_READ);
	rig->pfns[5] = 0x54321;
	KUNIT_EXPECT_EQ(test, -EADDRINUSE,
			iommufd_domain_map_pages(domain, iova_of(rig, 2), rig->pfns + 2, 6,
						 IOMMU_READ, GFP_KERNEL, &mapped));
	KUNIT_EXPECT_EQ(test, mapped, 3);
	KUNIT_EXPECT_EQ(test, iommu_iova_to_phys(domain, iova_of(rig, 5)), PFN_PHYS(0x12345));
	KUNIT_EXPECT_EQ(test, iommu_iova_to_phys(domain, iova_of(rig, 6)), 0);
	unmap_quickly(rig, 2, 4);
}

/* Where the table knows better: an address, an IOVA, or no permission at all. */
static void refusal_test(struct kunit *test)
{
	struct rig *rig = rig_start(test);
	struct iommu_domain *domain = &rig->quick.iommu.domain;
	unsigned long mapped;

	rig->pfns[0] = 1;
	rig->pfns[1] = BIT(MAX_ADDRESS_LG2 - PAGE_SHIFT);
	map_quickly(rig, 0, 1, IOMMU_READ);
	unmap_quickly(rig, 0, 1);
	KUNIT_EXPECT_EQ(test, -ERANGE,
			iommufd_domain_map_pages(domain, iova_of(rig, 0), rig->pfns, 2,
						 IOMMU_READ, GFP_KERNEL, &mapped));
	KUNIT_EXPECT_EQ(test, mapped, 1);
	unmap_quickly(rig, 0, 1);
	KUNIT_EXPECT_NE(test, 0,
			iommufd_domain_map_pages(domain, iova_of(rig, 0) + 0x800, rig->pfns, 1,
						 IOMMU_READ, GFP_KERNEL, &mapped));
	KUNIT_EXPECT_EQ(test, mapped, 0);
}

/* A large page is not taken for small ones: it leaves whole, and nothing of it before. */
static void large_page_test(struct kunit *test)
{
	struct rig *rig = rig_start(test);
	struct iommu_domain *domain = &rig->quick.iommu.domain;
	struct iommu_iotlb_gather gather;
	const unsigned long iova = 0x80000000;

	KUNIT_ASSERT_EQ(test, 0,
			iommu_map(domain, iova, 16 * SZ_2M, SZ_2M, IOMMU_READ, GFP_KERNEL));
	iommu_iotlb_gather_init(&gather);
	KUNIT_EXPECT_EQ(test, SZ_2M,
			iommufd_domain_unmap(domain, iova, 4 * PAGE_SIZE, &gather));
	KUNIT_EXPECT_GE(test, gather.end, iova + SZ_2M - 1);
	KUNIT_EXPECT_EQ(test, iommu_iova_to_phys(domain, iova), 0);
	iommu_iotlb_sync(domain, &gather);
}

/* Sixteen pages in a row are one entry of AMD's, which cannot be cut. */
static void long_entry_test(struct kunit *test)
{
	struct rig *rig = rig_start(test);
	struct iommu_domain *domain = &rig->quick.iommu.domain;
	struct iommu_domain *plain = &rig->plain.iommu.domain;
	struct iommu_iotlb_gather gather;
	const unsigned long iova = 0x80000000;

	KUNIT_ASSERT_EQ(test, 0,
			iommu_map(domain, iova, SZ_64K, SZ_64K, IOMMU_READ, GFP_KERNEL));
	KUNIT_ASSERT_EQ(test, 0,
			iommu_map(plain, iova, SZ_64K, SZ_64K, IOMMU_READ, GFP_KERNEL));
	iommu_iotlb_gather_init(&gather);
	KUNIT_EXPECT_EQ(test, iommu_unmap(plain, iova, PAGE_SIZE),
			iommufd_domain_unmap(domain, iova, PAGE_SIZE, &gather));
	iommu_iotlb_sync(domain, &gather);
	compare(rig);
}

/* A table that becomes empty is freed as the core does it. */
static void whole_table_test(struct kunit *test)
{
	const unsigned long entries = PAGE_SIZE / sizeof(u64);
	struct rig *rig = rig_start(test);
	unsigned long first = entries - (BASE >> PAGE_SHIFT) % entries;
	unsigned long i;

	for (i = first; i < first + entries; i++)
		rig->pfns[i] = any_pfn(rig);
	map_plainly(rig, first, entries, IOMMU_READ);
	map_quickly(rig, first, entries, IOMMU_READ);
	compare(rig);
	unmap_plainly(rig, first, entries);
	unmap_quickly(rig, first, entries);
	compare(rig);
}

static struct kunit_case leaves_cases[] = {
	KUNIT_CASE_PARAM(random_test, formats_gen_params),
	KUNIT_CASE_PARAM(occupied_test, formats_gen_params),
	KUNIT_CASE_PARAM(refusal_test, formats_gen_params),
	KUNIT_CASE_PARAM(large_page_test, formats_gen_params),
	KUNIT_CASE_PARAM(long_entry_test, formats_gen_params),
	KUNIT_CASE_PARAM(whole_table_test, formats_gen_params),
	{}
};

static struct kunit_suite leaves_suite = {
	.name = "iommufd-leaves",
	.init = rig_init,
	.exit = rig_exit,
	.test_cases = leaves_cases,
};

kunit_test_suite(leaves_suite);

MODULE_IMPORT_NS("GENERIC_PT_IOMMU");
