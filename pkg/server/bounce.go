package server

import (
	"context"

	"github.com/loge-idp/loge/pkg/recovery"
)

// Bounced is told the mark of a message that came back: see
// recovery.Flow.Bounced.
func (s *Server) Bounced(ctx context.Context, mark string) error {
	if s.recovery == nil {
		return recovery.ErrWrong
	}
	return s.recovery.Bounced(ctx, mark)
}
