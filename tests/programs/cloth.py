"""A hanging cloth of particles and springs, with wind."""

import numpy as np


class Particle:
    def __init__(self, position, mass=1.0, fixed=False):
        self.position = np.asarray(position, dtype=float)
        self.velocity = np.zeros(3)
        self.mass = mass
        self.fixed = fixed
        self.clear()

    def clear(self):
        self.force = np.zeros(3)

    def add_force(self, f):
        self.force += f

    def advance(self, dt):
        if self.fixed:
            return
        self.velocity += dt * self.force / self.mass
        self.position += dt * self.velocity


class Spring:
    def __init__(self, a, b, stiffness, damping=0.5):
        self.a = a
        self.b = b
        self.stiffness = stiffness
        self.damping = damping
        self.rest = np.linalg.norm(b.position - a.position)

    @property
    def stretch(self):
        return np.linalg.norm(self.b.position - self.a.position) - self.rest

    @property
    def energy(self):
        return 0.5 * self.stiffness * self.stretch**2

    def apply(self):
        d = self.b.position - self.a.position
        length = np.linalg.norm(d)
        if length < 1e-9:
            return
        direction = d / length
        speed = np.dot(self.b.velocity - self.a.velocity, direction)
        f = (self.stiffness * (length - self.rest) + self.damping * speed) * direction
        self.a.add_force(f)
        self.b.add_force(-f)


class Cloth:
    gravity = np.array([0.0, 0.0, -9.81])

    def __init__(self, rows, columns, stiffness, spacing=0.5):
        self.particles = []
        self.springs = []
        grid = {}
        for i in range(rows):
            for j in range(columns):
                p = Particle([j * spacing, 0.0, -i * spacing], mass=0.2, fixed=(i == 0))
                grid[i, j] = p
                self.particles.append(p)
        for (i, j), p in grid.items():
            for di, dj, k in ((0, 1, 1.0), (1, 0, 1.0), (1, 1, 0.5)):
                other = grid.get((i + di, j + dj))
                if other is not None:
                    self.springs.append(Spring(p, other, k * stiffness))

    def step(self, dt, wind, floor=None):
        for p in self.particles:
            p.clear()
            p.add_force(p.mass * self.gravity)
            p.add_force(wind - 0.1 * p.velocity)
        for s in self.springs:
            s.apply()
        for p in self.particles:
            p.advance(dt)
            if floor is not None and p.position[2] < floor:
                p.position[2] = floor
                p.velocity[2] = 0.0

    def energy(self):
        return sum(s.energy for s in self.springs) + sum(0.5 * p.mass * p.velocity @ p.velocity for p in self.particles)


def sag(stiffness, wind, steps=30, dt=0.01):
    """How deep the lowest particle hangs, where the mean one is, and the energy."""
    cloth = Cloth(3, 2, stiffness)
    for n in range(steps):
        gust = wind * (1.0 if n % 10 < 5 else 0.5)
        cloth.step(dt, gust, floor=-1.2)
    lowest = min(p.position[2] for p in cloth.particles)
    middle = sum(p.position for p in cloth.particles) / len(cloth.particles)
    return lowest, middle, cloth.energy()
