#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# The binding and what it says of the overlays: dt-schema is content with the
# binding and its example, the trees with an overlay have no message that they
# had not without, and each kind of mistake is told. dt-validate exits with 0
# whatever it finds, so its words are judged.
use strict;
use warnings;
use FindBin;
use Test::More;
BEGIN { require "$FindBin::Bin/dts.pl" }
our ($dir, $port, $phy, $card, %base);

my $binding = 'dts/bindings/npu/pci1d1d,5647.yaml';
my @boards = qw(khadas-edge roc-pc sapphire evb);

# The binding.
my %pci = slurp('kmod/include/vggaccel_hw.h') =~
	/^#define VGG_PCI_(VENDOR|DEVICE)_ID\s+0x([0-9a-f]{4})$/mg;
my $compatible = "pci$pci{VENDOR},$pci{DEVICE}";
is_deeply([glob('dts/bindings/*/*')], ["dts/bindings/npu/$compatible.yaml"],
	"the binding's name is the specification's vendor and device");
like(slurp($binding), qr/^    const: \Q$compatible\E$/m, '... and so is its compatible');
like(slurp($binding), qr/^# SPDX-License-Identifier: \(GPL-2.0-only OR BSD-2-Clause\)$/m,
	'... its licence is that of all bindings');
{
	my ($code, $said) = trixie('dt-doc-validate', $binding);
	is("$code$said", '0', 'dt-doc-validate has nothing to say of it');
}
for my $mistake (
	['maxItems: 1', 'maxItems: one', 'a number that is none'],
	['unevaluatedProperties: false', '', 'no word on other properties'],
	['maintainers:', 'maintainer:', 'an unknown key'],
	['  reg:', ' reg:', 'wrong indentation']) {
	my ($from, $to, $what) = @$mistake;
	make_path("$dir/bad/npu");
	my $file = spew("$dir/bad/npu/$compatible.yaml",
		slurp($binding) =~ s/^(\s*)\Q$from\E/$1$to/mr);
	isnt(slurp($file), slurp($binding), "(mistake made: $what)");
	my ($code, $said) = trixie('dt-doc-validate', $file);
	like($said, qr/\Q$file\E/, '... and told');
}

# Everything is checked by the kernel's schemas and the binding.
my $schemas = "$dir/schemas.json";
{
	my ($code, $said) = trixie('dt-mk-schema', '-j', '-o', $schemas,
		'.cache/dt-schemas', 'dts/bindings');
	is($code, 0, 'dt-mk-schema takes it, beside the kernel\'s') or diag $said;
	unlike($said, qr/\Q$compatible\E/, '... without a word about it');
}

# Messages of dt-validate, one a line, by file; "from schema" lines left out.
sub validate {
	my ($options, @trees) = @_;
	my ($code, $said) = trixie('dt-validate', @$options, '-s', $schemas, @trees);
	die "dt-validate: $said" if $code || $said =~ /^Traceback/m;
	# It knows the files by their whole paths.
	my %of = map { $_ => [] } @trees;
	my %by_name = map { basename($_) => $of{$_} } @trees;
	my $last;
	for (split /\n/, $said) {
		if (m{^\S*/(\S+?\.dtb): (.*)} && $by_name{$1}) {
			push @{$by_name{$1}}, $2;
			$last = $by_name{$1};
		} elsif (!/^\tfrom schema/ && $last) {
			$$last[-1] .= " $_";
		} elsif (!$last) {
			die "dt-validate: $_";
		}
	}
	return \%of;
}

# What each of [tree, overlays...] has to be told that its tree hasn't. Given
# by name.
sub added {
	my ($options, %trees) = @_;
	my (%from, %to);
	for my $name (keys %trees) {
		my ($tree, @overlays) = @{$trees{$name}};
		$from{$name} = "$dir/from-" . basename($tree);
		spew($from{$name}, slurp($tree)) unless -e $from{$name};
		$to{$name} = "$dir/to-$name.dtb";
		my ($code, $said) = apply($tree, $to{$name}, @overlays);
		die "$name: $said" if $code;
	}
	my %once = map { $_ => 1 } values %from;
	my $of = validate($options, sort(keys %once), sort values %to);
	my %added;
	for my $name (keys %trees) {
		my %known = map { $_ => 1 } @{$of->{$from{$name}}};
		$added{$name} = [grep { !$known{$_} } @{$of->{$to{$name}}}];
	}
	return \%added;
}

# Its example, taken out and compiled as the kernel's build does it.
sub example {
	my ($file) = @_;
	my ($code, $dts) = trixie('dt-extract-example', $file);
	die "dt-extract-example: $dts" if $code;
	spew("$dir/example.dts", $dts);
	# The node around it, which is not ours, has cells that it may not need.
	my ($dtc, $said) = trixie('dtc', '-Wno-avoid_unnecessary_addr_size', '-I',
		'dts', '-O', 'dtb', '-o', "$dir/example.dtb", "$dir/example.dts");
	return ($dtc, $said, $dtc ? '' :
		join("\n", @{validate([], "$dir/example.dtb")->{"$dir/example.dtb"}}));
}
{
	my ($code, $said, $messages) = example($binding);
	is("$code$said", '0', 'its example compiles without a warning');
	is($messages, '', '... and is valid');
	for my $mistake (['label = "M.2"', 'lable = "M.2"', qr/'lable' was unexpected/],
		['label = "M.2"', 'label = <2>', qr/label: .*is not of type/],
		['label = "M.2"', 'interrupts = <2>', qr/interrupts:.*1 was expected/],
		['reg = <0x0 0 0 0 0>;' . "\n" . ' ' x 16 . 'label', 'label',
			qr/'reg' is a required property/]) {
		my ($from, $to, $want) = @$mistake;
		my $file = spew("$dir/bad/npu/$compatible.yaml",
			slurp($binding) =~ s/\Q$from\E/$to/r);
		my (undef, undef, $told) = example($file);
		like($told, $want, '... with ' . ($to =~ s/^label$/no reg/r) .
			' it is not');
	}
}

# The overlays.
my %built;
for my $lanes (1, 2, 4) {
	for my $speed (1, 2) {
		my ($code, $said) = make_dtbo("x$lanes.$speed", "LANES=$lanes",
			"SPEED=$speed");
		die $said if $code;
		$built{$lanes, $speed} = "$dir/x$lanes.$speed/dtbo";
	}
}
my $default = $built{4, 1};
my %perst;
for (['khadas-edge', 'GPIO1_A3'], ['roc-pc', 'GPIO4_D1'], ['sapphire', 'GPIO2_A4']) {
	my ($board, $pin) = @$_;
	my ($code, $said) = make_dtbo("perst-$board", "BOARD=$board", "PERST=$pin");
	die $said if $code;
	$perst{$board} = "$dir/perst-$board/dtbo/vggaccel-$board.dtbo";
}

# All schemas, on a board of each kind.
{
	my %trees = (
		'khadas-edge' => [$base{'khadas-edge'}, $perst{'khadas-edge'}],
		evb => [$base{evb}, "$default/vggaccel-evb.dtbo"],
		rockpro64 => [$base{rockpro64}, "$default/vggaccel-card.dtbo"],
	);
	my $added = added([], %trees);
	is_deeply($added->{$_}, [], "$_: no new message") for sort keys %trees;
	# A node without a schema would be silently valid.
	my $unmatched = validate(['-m'], "$dir/to-rockpro64.dtb");
	my @silent = grep { /failed to match/ } @{$unmatched->{"$dir/to-rockpro64.dtb"}};
	ok(@silent, 'nodes without a schema are told');
	is_deeply([grep { /pcie\@f8000000:/ } @silent], [],
		'... and the root port is not one');
}

# Those of PCI, the card and GPIOs on every tree and with every setting: a second
# for each tree and schemas of other nodes would come to minutes.
my @ours = ('-l', '/pci/:/npu/:gpio');
{
	my %trees = map { $_ => [$base{$_}, "$default/vggaccel-card.dtbo"] } keys %base;
	my $added = added(\@ours, %trees);
	is_deeply([map { my $n = $_; map { "$n: $_" } @{$added->{$n}} }
		sort keys %trees], [], 'card: no new message for any tree');
	%trees = ();
	for my $setting (keys %built) {
		my $name = $setting =~ s/$;/./r;
		for my $board (@boards) {
			$trees{"$board.$name"} = [$base{$board},
				"$built{$setting}/vggaccel-$board.dtbo"];
		}
		$trees{"link.$name"} = [$base{'nanopi-m4'},
			"$built{$setting}/vggaccel-link.dtbo"];
	}
	$trees{"$_.perst"} = [$base{$_}, $perst{$_}] for keys %perst;
	$added = added(\@ours, %trees);
	is_deeply([map { my $n = $_; map { "$n: $_" } @{$added->{$n}} }
		sort keys %trees], [], 'the others: none with any setting');
}

# Mistakes. Each is a good overlay but for one thing, and is found by it.
{
	my $good = slurp("$perst{'khadas-edge'}" =~ s/dtbo$/dts/r) =~
		s{^.*?/plugin/;}{}sr;
	my @mistakes = (
		[lanes3 => 'num-lanes = <4>', 'num-lanes = <3>',
			qr/num-lanes: 3 is not one of/],
		[lanes8 => 'num-lanes = <4>', 'num-lanes = <8>',
			qr/num-lanes: 8 is greater than the maximum of 4/],
		[lanesText => 'num-lanes = <4>', 'num-lanes = "four"', qr/num-lanes: /],
		[lanesTwo => 'num-lanes = <4>', 'num-lanes = <4 4>', qr/num-lanes: /],
		[lanesName => 'num-lanes', 'num-lane', qr/'num-lane' was unexpected/],
		[speed7 => 'max-link-speed = <1>', 'max-link-speed = <7>',
			qr/max-link-speed: 7 is not one of/],
		[status => "{\n status = \"okay\"", "{\n status = \"on\"", qr/status: .*'on'/],
		[cardName => "   reg = <0x0", "   lanes = <4>;\n   reg = <0x0",
			qr/'lanes' was unexpected/],
		[cardReg => '   reg = <0x0 0 0 0 0>;', '', qr/'reg' is a required/],
		[cardBar => '   reg = <0x0 0 0 0 0>',
			'   reg = <0x0 0 0 0 0>, <0x2000010 0 0 0 0x10000>', qr/reg: .*too long/],
		[cardSlot => '   reg = <0x0 0 0 0 0>', '   reg = <0x0 0 0 0 1>',
			qr/reg:.*0 was expected/],
		[bridge => '  ranges;', '', qr/'ranges' is a required/],
		[bridgeCells => '  #size-cells = <2>', '  #size-cells = <1>',
			qr/#size-cells.*2 was expected/],
		[hog => 'gpio-hog;', '', qr/'gpio-hog' is a required/],
		[hogName => 'output-high', 'output-hi', qr/hog.*(output-hi|required)/],
	);
	my %trees = (good => [$base{'khadas-edge'}, compile('good', $good)]);
	for (@mistakes) {
		my ($name, $from, $to) = @$_;
		my $bad = $good =~ s/\Q$from\E/$to/r;
		die "$name: nothing to mistake" if $bad eq $good;
		$trees{$name} = [$base{'khadas-edge'}, compile($name, $bad)];
	}
	# The name of another device, and what would be a mistake in ours.
	$trees{other} = [$base{'khadas-edge'}, compile('other', $good =~
		s/,5647";/,5648";\n   lanes = <4>;/r)];
	my $added = added(['-l', "$ours[1]:dt-core"], %trees);
	is_deeply($added->{good}, [], 'taken apart and put together, an overlay is good');
	for (@mistakes) {
		my ($name, undef, $to, $want) = @$_;
		$to =~ s/\s+/ /g;
		like(join("\n", @{$added->{$name}}), $want, "... and $name is told");
	}
	is_deeply($added->{other}, [],
		'... but not of another device: it is the binding that tells');
}

done_testing();
