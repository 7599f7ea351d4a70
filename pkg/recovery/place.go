package recovery

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"github.com/loge-idp/loge/pkg/plugin"
	"github.com/loge-idp/loge/pkg/render"
	"github.com/loge-idp/loge/pkg/web"
)

// Place is a network by the name that people know it by: "le campus". A notice
// says from where a change was made (requirement R36), and nobody's database of
// addresses is asked for it.
type Place struct {
	Name   render.Text    `json:"name"`
	Ranges []netip.Prefix `json:"ranges"`
}

// CheckPlaces reports what cannot be meant, as a *plugin.Error that names the
// key.
func CheckPlaces(places []Place) error {
	for i, p := range places {
		at := fmt.Sprintf("[%d]", i)
		switch {
		case len(p.Name) == 0:
			return plugin.At(at, plugin.At("name", errors.New(`is missing; write what people call it, like {fr: "le campus", en: "the campus"}`)))
		case len(p.Ranges) == 0:
			return plugin.At(at, plugin.At("ranges", errors.New("is missing; write its addresses, like [192.0.2.0/24]")))
		}
	}
	return nil
}

// Origin is what people call a network, as web.ClientRange has it: the first
// place that holds all of it, or the network alone.
func (f *Flow) Origin(network, language string) render.Origin {
	out := render.Origin{Range: network}
	whole, err := netip.ParsePrefix(network)
	if err != nil {
		return out
	}
	for _, p := range f.Places {
		if slices.ContainsFunc(p.Ranges, func(r netip.Prefix) bool { return r.Bits() <= whole.Bits() && r.Contains(whole.Addr()) }) {
			out.Place = p.Name.In(language)
			break
		}
	}
	return out
}

// origin is where an address is, for a notice: the first place that holds it,
// or the network alone. It keeps no address.
func (f *Flow) origin(address, language string) (o render.Origin) {
	addr, err := netip.ParseAddr(address)
	if err != nil {
		return o
	}
	o.Range = web.Range(addr)
	for _, p := range f.Places {
		if slices.ContainsFunc(p.Ranges, func(r netip.Prefix) bool { return r.Contains(addr) }) {
			o.Place = p.Name.In(language)
			return o
		}
	}
	return o
}
