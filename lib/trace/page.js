// SPDX-License-Identifier: MIT
// Redraws the picture of a trace: the wheel zooms at the pointer, dragging moves.
// Boxes carry their times; their rows never change.
'use strict';
const svg = document.querySelector('svg'), NS = svg.namespaceURI;
const L = +svg.dataset.left, R = +svg.dataset.right;
const ALL = Math.max(1, +svg.dataset.ns), LETTER = 5.6;
const axis = document.getElementById('axis'), topLine = +svg.dataset.axis;
const bottom = svg.viewBox.baseVal.height - 8;
const boxes = [...svg.querySelectorAll('.e')].map(g => ({
	g, rect: g.querySelector('rect'), text: g.querySelector('text'),
	name: g.querySelector('title').textContent.split('\n')[0],
	b: +g.dataset.b, d: +g.dataset.d, shown: true }));
let from = 0, span = ALL, asked = false;
const x = ns => L + (R - L) * (ns - from) / span;

function label(o, left, width) {
	const fits = width > 8 ? Math.floor((width - 6) / LETTER) : 0;
	const letters = [...o.name];
	if (letters.length > fits && fits < 3) {
		if (o.text) o.text.style.display = 'none';
		return;
	}
	if (!o.text) {
		o.text = o.g.appendChild(document.createElementNS(NS, 'text'));
		o.text.setAttribute('y', +o.rect.getAttribute('y') + 12.5);
	}
	o.text.style.display = '';
	o.text.textContent = letters.length > fits ?
		letters.slice(0, fits - 1).join('') + '\u2026' : o.name;
	o.text.setAttribute('x', left + 3);
}

function ticks() {
	const ms = span / 1e6, first = 10 ** Math.floor(Math.log10(ms / 12));
	const step = first * ([1, 2, 5].find(n => ms / (first * n) <= 12) || 10);
	const digits = Math.max(0, Math.ceil(-Math.log10(step) - 1e-9));
	const add = (what, set) => {
		const e = axis.appendChild(document.createElementNS(NS, what));
		for (const k in set) e.setAttribute(k, set[k]);
		return e;
	};
	axis.replaceChildren();
	for (let i = Math.ceil(from / 1e6 / step); i * step * 1e6 <= from + span; i++) {
		const at = x(i * step * 1e6);
		add('line', { class: 'grid', x1: at, x2: at, y1: topLine + 4, y2: bottom });
		add('text', { class: 'dim', x: at, y: topLine, 'text-anchor': 'middle' })
			.textContent = (i * step).toFixed(digits) + ' ms';
	}
}

function draw() {
	asked = false;
	for (const o of boxes) {
		const seen = o.b <= from + span && o.b + o.d >= from;
		if (seen !== o.shown) {
			o.shown = seen;
			o.g.style.display = seen ? '' : 'none';
		}
		if (!seen) continue;
		const left = Math.max(x(o.b), L - 4);
		const right = Math.min(x(o.b + o.d), R + 4);
		o.rect.setAttribute('x', left);
		o.rect.setAttribute('width', Math.max(right - left, 0.2));
		label(o, Math.max(left, L), right - Math.max(left, L));
	}
	ticks();
}

function show(begin, length) {
	span = Math.min(ALL, Math.max(100, length));
	from = Math.min(ALL - span, Math.max(0, begin));
	if (!asked) requestAnimationFrame(draw);
	asked = true;
}

// From pixels of the window to the picture's.
const place = e => {
	const box = svg.getBoundingClientRect();
	return (e.clientX - box.left) * svg.viewBox.baseVal.width / box.width;
};
svg.addEventListener('wheel', e => {
	e.preventDefault();
	const at = Math.min(1, Math.max(0, (place(e) - L) / (R - L)));
	const turn = e.deltaY * (e.deltaMode ? 30 : 1); // lines, or pixels
	const wide = Math.min(ALL, Math.max(100, span * 1.0015 ** turn));
	show(from + at * (span - wide), wide);
}, { passive: false });
let held = null;
svg.addEventListener('pointerdown', e => {
	held = { at: place(e), from };
	svg.setPointerCapture(e.pointerId);
	svg.classList.add('moving');
});
svg.addEventListener('pointermove', e => {
	if (held)
		show(held.from - (place(e) - held.at) * span / (R - L), span);
});
for (const end of ['pointerup', 'pointercancel'])
	svg.addEventListener(end, () => {
		held = null;
		svg.classList.remove('moving');
	});
svg.addEventListener('dblclick', () => show(0, ALL));
addEventListener('keydown', e => {
	if (e.key === 'ArrowLeft') show(from - span / 8, span);
	else if (e.key === 'ArrowRight') show(from + span / 8, span);
	else if (e.key === '+') show(from + span / 6, span / 1.5);
	else if (e.key === '-') show(from - span / 4, span * 1.5);
	else if (e.key === '0') show(0, ALL);
});
draw();
