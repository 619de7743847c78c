package diskfault

import (
	"maps"
	"math/rand/v2"
	"os"
	"slices"
)

// sector is what a disk writes as a whole.
const sector = 512

// Replay follows one file through a journal and tells what is on its disk. Make it with [NewReplay].
type Replay struct {
	durable Image
	pending []Record           // written since, in order: may be on the disk, and the next sync brings them there
	doomed  map[int64][]Record // :: sector → writes whose sync failed: may be on the disk, and no sync does anything about it until the sector is written again
	size    int64              // what a doomed truncation may have made the file longer to
}

// Image is a file: some bytes, and zeros behind them up to its size.
type Image struct {
	Data []byte
	Size int64
}

// Write makes the file.
func (f Image) Write(path string) error {
	if err := os.WriteFile(path, f.Data, 0o600); err != nil {
		return err
	}
	return os.Truncate(path, f.Size)
}

// NewReplay begins with a file that is durable as it is; nil is one that is empty.
func NewReplay(start []byte) *Replay {
	return &Replay{durable: Image{slices.Clone(start), int64(len(start))}, doomed: make(map[int64][]Record)}
}

// Step takes one record of the file's own.
func (p *Replay) Step(r Record) {
	switch {
	case r.Kind == Sync && r.Err != 0:
		for _, w := range p.pending {
			if w.Kind == Truncate {
				p.size = max(p.size, w.Size)
				continue
			}
			for part := range sectors(w) {
				p.doomed[part.Offset/sector] = append(p.doomed[part.Offset/sector], part)
			}
		}
		p.pending = nil
	case r.Kind == Sync:
		for _, w := range p.pending {
			p.settle(w)
		}
		p.pending = nil
	case r.Kind == Truncate && r.Err == 0, r.Kind == Write && r.Done > 0:
		p.pending = append(p.pending, r)
	}
}

// settle makes a write durable, and with it what the system's cache holds of its sectors.
func (p *Replay) settle(w Record) {
	if w.Kind == Truncate {
		p.durable, p.size = resize(p.durable, w.Size), 0
		maps.DeleteFunc(p.doomed, func(s int64, _ []Record) bool { return s*sector >= w.Size })
		return
	}
	for part := range sectors(w) {
		for _, old := range p.doomed[part.Offset/sector] {
			p.durable = put(p.durable, old)
		}
		delete(p.doomed, part.Offset/sector)
		p.durable = put(p.durable, part)
	}
}

// Chance decides about each sector that is not known to be on the disk, and about each change of size.
type Chance func() bool

// Nothing of what was not synced is on the disk.
func Nothing() bool { return false }

// Everything is on the disk.
func Everything() bool { return true }

// Any tosses a coin.
func Any(r *rand.Rand) Chance { return func() bool { return r.IntN(2) == 0 } }

// Cut returns the file as a power failure now leaves it.
func (p *Replay) Cut(there Chance) Image {
	image := Image{slices.Clone(p.durable.Data), p.durable.Size}
	if p.size > image.Size && there() {
		image = resize(image, p.size)
	}
	for _, s := range slices.Sorted(maps.Keys(p.doomed)) {
		for _, w := range p.doomed[s] {
			if there() {
				image = put(image, w)
			}
		}
	}
	for _, w := range p.pending {
		if w.Kind == Truncate {
			if there() {
				image = resize(image, w.Size)
			}
			continue
		}
		for part := range sectors(w) {
			if there() {
				image = put(image, part)
			}
		}
	}
	return image
}

// sectors cuts a write into the parts that lie in one sector each.
func sectors(w Record) func(func(Record) bool) {
	return func(yield func(Record) bool) {
		data := w.Data[:w.Done]
		for at := w.Offset; len(data) > 0; {
			n := min(int64(len(data)), sector-at%sector)
			part := Record{Op: Op{Kind: Write, Path: w.Path, Offset: at, Data: data[:n]}, Done: int(n)}
			if !yield(part) {
				return
			}
			data, at = data[n:], at+n
		}
	}
}

func put(file Image, w Record) Image {
	end := w.Offset + int64(w.Done)
	if n := int64(len(file.Data)); n < end {
		file.Data = append(file.Data, make([]byte, end-n)...)
	}
	copy(file.Data[w.Offset:], w.Data[:w.Done])
	file.Size = max(file.Size, end)
	return file
}

func resize(file Image, size int64) Image {
	if int64(len(file.Data)) > size {
		file.Data = file.Data[:size:size]
	}
	file.Size = size
	return file
}
