package telemetry

import (
	"maps"
	"sync"
	"sync/atomic"
)

// series finds the metric of a set of label values. The metrics library hashes labels and takes a lock each time; sets here are few, so
// that they lie in a map that is copied when a new one comes, and read without any of that.
type series[K comparable, V any] struct {
	make  func(K) V
	known atomic.Pointer[map[K]V]
	mu    sync.Mutex // of whoever adds
}

func (s *series[K, V]) get(k K) V {
	if m := s.known.Load(); m != nil {
		if v, ok := (*m)[k]; ok {
			return v
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	more := map[K]V{}
	if m := s.known.Load(); m != nil {
		if v, ok := (*m)[k]; ok {
			return v
		}
		more = maps.Clone(*m)
	}
	v := s.make(k)
	more[k] = v
	s.known.Store(&more)
	return v
}
