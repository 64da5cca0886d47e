#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# What `make install` leaves works from where it is, and a program that is the
# example at the head of the public header builds with it by pkg-config.
use strict;
use warnings;
use Cwd qw(getcwd);
use File::Temp qw(tempdir);
use Test::More;

chdir $ENV{VGG_TOP} if $ENV{VGG_TOP};
delete @ENV{qw(MAKEFLAGS MFLAGS MAKELEVEL)};
my $root = tempdir(CLEANUP => 1);
my $usr = "$root/opt/vggaccel";
my $image = getcwd() . '/samples/star.jpg';

my $said = `make -s install DESTDIR=$root PREFIX=/opt/vggaccel 2>&1`;
is($?, 0, 'make install') or diag $said;
ok(-s "$usr/$_", "$_ is there") for qw(bin/vggctl bin/vggsimd lib/libvggaccel.so
	include/vggaccel.h include/vggaccel_hw.h lib/pkgconfig/vggaccel.pc
	share/man/man1/vggctl.1 share/man/man3/libvggaccel.3
	share/bash-completion/completions/vggctl share/vggaccel/default.card);

my $out = `cd / && $usr/bin/vggctl --device sim run $image 2>&1`;
is($?, 0, 'the installed vggctl runs') or diag $out;
like($out, qr/star/, '... and sees a star');

# The example, with what it needs around it.
open(my $header, '<', "$usr/include/vggaccel.h") or die;
my ($example) = join('', <$header>) =~ /^(( \*   .*\n| \*\n)+)/m or die;
$example =~ s/^ \*//mg;
ok($example =~ s/vgg_model_load\("[^"]*", /vgg_model_load_default(/ &&
	$example =~ s/"cat.jpg"/argv[1]/, 'the header has an example');
open(my $c, '>', "$root/example.c") or die;
print $c "#include <stdio.h>\n#include <vggaccel.h>\n",
	"int main(int argc, char **argv)\n{\n(void)argc;\n$example\nreturn 0;\n}\n";
close($c);
$ENV{PKG_CONFIG_PATH} = "$usr/lib/pkgconfig";
$ENV{PKG_CONFIG_SYSROOT_DIR} = $root;
my $flags = `pkg-config --cflags --libs vggaccel` =~ s/\n//r;
is(system("cc -Wall -Werror $root/example.c -o $root/example $flags " .
	"-Wl,-rpath,$usr/lib"), 0, 'it builds');
is(`$root/example $image`, "star\n", 'it says what the picture is');

done_testing();
