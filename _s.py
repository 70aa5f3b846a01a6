import numpy as np, sys
from simulations.stacks.stack import Stack
from simulations.stacks.draws import draw_blocks, draw_tokens
from theory.statements.instances import member
from theory.law.cocycle import linear_distances
from theory.law.transverse import transverse_rates
from theory.law.powers import power_law
from theory.graphs.masks import causal_mask, full_mask, window_mask
def one(stack, seed):
    b=member(next(draw_blocks(stack,seeds=range(seed,seed+1))),(0,))
    return b, draw_tokens(stack,seeds=range(seed,seed+1))[0]
st=Stack(tokens=64,tied=True)
g=[];r=[]
for s in range(20):
    b,t=one(st,s)
    m=t.mean(axis=0); d=linear_distances(b,window_mask(64,2,causal=True),m,t-m,depth=24)
    g.append(100*(np.exp((d[24]-d[0])/24)-1)); r.append(transverse_rates(b,window_mask(64,2,causal=True),m).rate)
print('grow',np.round(np.sort(g),2),'seed0',g[0]); print('law',np.round(np.sort(r),3), r[0],flush=True)
st=Stack(tokens=24,tied=True,placement='pre')
for name,mask in(('causal',causal_mask(24)),('full',full_mask(24))):
    e=[]
    for s in range(12):
        b,t=one(st,s)
        p=power_law(b,mask,t.mean(axis=0)); e.append((p.exponent,p.bend))
    print(name,np.round(np.array(e),3).tolist(),flush=True)
