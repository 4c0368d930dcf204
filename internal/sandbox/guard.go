package sandbox

import (
	"fmt"
	"net/http"
)

// taken is the answer to an UPDATE that gives a held lock to another host, which the trigger of the guard refuses; nil
// if it does not. Rails passes on what PostgreSQL says (this is what PostgreSQL 15 says), and the transaction leaves
// neither a change nor an event. The caller holds mu.
func (s *Server) taken(r *row, will *host) *answer {
	if !s.opts.Guarded || r.holder == nil || will == nil || r.holder == will {
		return nil
	}
	return failure(http.StatusInternalServerError, fmt.Sprintf(
		"PG::TRSerializationFailure: ERROR:  lock %s is held by host %d, which has to release it first\n"+
			"CONTEXT:  PL/pgSQL function public.dlmlock_one_holder() line 4 at RAISE\n", r.name, r.holder.id))
}

// nameTaken is the answer to an INSERT of a second row with one name, which the unique index of the guard refuses; nil
// if it does not. The caller holds mu.
func (s *Server) nameTaken(name string) *answer {
	if !s.opts.Guarded || s.named(name) == nil {
		return nil
	}
	return failure(http.StatusInternalServerError, fmt.Sprintf(
		"PG::UniqueViolation: ERROR:  duplicate key value violates unique constraint \"dlmlocks_one_of_a_name\"\n"+
			"DETAIL:  Key (type, name)=(%s, %s) already exists.\n", updateType, name))
}
