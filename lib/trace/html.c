// SPDX-License-Identifier: MIT
/* A page with the picture, and the program (page.js) that redraws it. */
#include "model/embedded.h"
#include "trace/draw.h"

static const char head[] =
	"<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n"
	"<meta name=\"color-scheme\" content=\"light dark\">\n"
	"<style>body{margin:0;font:12px system-ui,sans-serif;"
	"background:#fff;color:#1f2328}\n"
	"svg{display:block;width:100%;height:auto;cursor:grab;user-select:none}"
	"svg.moving{cursor:grabbing}p{margin:4px 10px}\n"
	".boxes,#axis{clip-path:url(#area)}\n"
	"@media (prefers-color-scheme:dark){body{background:#0d1117;"
	"color:#e6edf3}}</style>\n<title>";

static const char hint[] =
	"<p>Wheel: zoom. Drag, or arrow keys: move. Double click, or 0: "
	"everything. Rest on a box: details.</p>\n<script>\n";

int vgg_trace_write_html(const struct vgg_trace *t, FILE *to)
{
	fputs(head, to);
	vgg_trace_put_title(t, to);
	fputs("</title></head><body>\n", to);
	vgg_trace_draw(t, to, true);
	fputs(hint, to);
	fwrite(vgg_embedded_trace_page, 1, vgg_embedded_trace_page_bytes, to);
	fputs("</script>\n</body></html>\n", to);
	return ferror(to) ? -1 : 0;
}
