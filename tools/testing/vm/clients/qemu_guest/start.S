/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * QEMU's firmware loads this as a multiboot kernel: 32-bit protected mode, flat
 * segments of the loader's, no paging, interrupts off.  An interrupt of device
 * N has vector 0x40 + N; it is counted in interrupts[N] and nothing else.
 */
#define VECTORS	32
#define FIRST	0x40

	.section .note.GNU-stack, "", @progbits

	/* The loader looks for these three words in the file's first 8 KiB. */
	.text
	.balign	4
	.long	0x1badb002, 0, -0x1badb002

	.globl	start
start:
	cli
	movl	$stack_top, %esp
	lgdt	gdt_pointer
	ljmp	$8, $1f
1:	movl	$16, %eax
	movl	%eax, %ds
	movl	%eax, %es
	movl	%eax, %ss
	call	fill_idt
	lidt	idt_pointer
	call	main
2:	hlt
	jmp	2b

/* Gates FIRST .. FIRST + VECTORS - 1 lead to the stubs, which are 16 bytes each. */
fill_idt:
	movl	$stubs, %eax
	movl	$idt + 8 * FIRST, %edi
	movl	$VECTORS, %ecx
3:	movw	%ax, (%edi)
	movw	$8, 2(%edi)
	movw	$0x8e00, 4(%edi)
	movl	%eax, %edx
	shrl	$16, %edx
	movw	%dx, 6(%edi)
	addl	$16, %eax
	addl	$8, %edi
	loop	3b
	ret

	.balign	16
stubs:
	.set	n, 0
	.rept	VECTORS
	.balign	16
	incl	interrupts + 4 * n
	jmp	acknowledge
	.set	n, n + 1
	.endr

acknowledge:
	pushl	%eax
	movl	$0xfee000b0, %eax
	movl	$0, (%eax)
	popl	%eax
	iret

	.balign	8
gdt:	.quad	0, 0x00cf9a000000ffff, 0x00cf92000000ffff
gdt_pointer:
	.word	. - gdt - 1
	.long	gdt
idt_pointer:
	.word	8 * (FIRST + VECTORS) - 1
	.long	idt

	.bss
	.balign	16
	.globl	interrupts
interrupts:
	.skip	4 * VECTORS
idt:	.skip	8 * (FIRST + VECTORS)
	.skip	16384
stack_top:
