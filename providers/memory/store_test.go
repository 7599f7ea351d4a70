package memory_test

import (
	"errors"
	"io"
	"testing"
	"time"

	"github.com/loge-idp/loge/pkg/store"
	"github.com/loge-idp/loge/pkg/store/storetest"
	"github.com/loge-idp/loge/providers/memory"
)

func TestFakeTimeStore(t *testing.T) {
	storetest.Run(t, func(t *testing.T) (store.Store, func(time.Duration)) {
		s, err := memory.NewFakeTimeStore(time.Date(2026, 9, 1, 8, 0, 0, 0, time.UTC), nil)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { s.Close() })
		return s, s.Advance
	})
}

func TestStore(t *testing.T) {
	s, err := (&memory.StoreConfig{}).Open(t.Context(), struct{}{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.(io.Closer).Close() })
	storetest.Run(t, func(t *testing.T) (store.Store, func(time.Duration)) { return s, nil })
}

func TestStoreClosed(t *testing.T) {
	s, err := (&memory.StoreConfig{}).Open(t.Context(), struct{}{})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.(store.Pinger).Ping(t.Context()); err != nil {
		t.Errorf("Ping: %v", err)
	}
	s.(io.Closer).Close()
	if err := s.Do(t.Context(), &store.Read{Key: store.Key{Tag: "t"}}); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("after Close: %v, want ErrUnavailable", err)
	}
	if err := s.(store.Pinger).Ping(t.Context()); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("Ping after Close: %v, want ErrUnavailable", err)
	}
	s.(io.Closer).Close()
}

// Two stores share nothing.
func TestStoresApart(t *testing.T) {
	key := store.Key{Tag: "t", Name: "a"}
	for range 2 {
		s, err := memory.NewFakeTimeStore(time.Now(), nil)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { s.Close() })
		create := store.Create{Key: key, TTL: time.Hour}
		if err := s.Do(t.Context(), &create); err != nil || !create.Created {
			t.Errorf("created %v, %v", create.Created, err)
		}
	}
}
